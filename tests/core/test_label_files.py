"""Files of labels as people and spreadsheets write them, and every way in which they can be wrong."""

from pathlib import Path

import pytest

from lookalike.core.errors import LookalikeError
from lookalike.core.label_files import Given, read_given, rows_of
from lookalike.core.matching import Matcher

PATHS = ("a/1.png", "a/2.png", "b/1.png", "b/2.png")


def written(path: Path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na/1.png,cat\nb/1.png,dog\n",
        "path,label,split,cluster\r\na/1.png,cat,train,3\r\nb/1.png,dog,test,\r\n",  # as the page saves a list
        "\ufeffpath;label\na/1.png;cat\nb/1.png;dog\n",  # as a spreadsheet does in half of Europe
        "path\tlabel\na/1.png\t cat \nb/1.png\tdog\na/2.png\t\n",
        "label,path\ncat,./a/1.png\ndog,b/1.png\n,b/2.png\n\n",
    ],
    ids=["plain", "page", "semicolons", "tabs", "order"],
)
def test_a_file_is_read_as_it_was_meant(tmp_path: Path, text: str):
    given = read_given([written(tmp_path / "labels.csv", text)])
    assert given == Given({"a/1.png": "cat", "b/1.png": "dog"})


def test_names_with_commas_and_bytes_that_are_no_text(tmp_path: Path):
    file = written(tmp_path / "labels.csv", b'path,label\n"a, b\xff.png",cat\n')
    assert read_given([file]).label_of == {"a, b\udcff.png": "cat"}


def test_a_list_of_the_page_is_given_a_name(tmp_path: Path):
    cats = written(tmp_path / "chosen.csv", "path,cluster\na/1.png,0\na/2.png,0\n")
    dogs = written(tmp_path / "chosen (1).csv", "path,label\nb/1.png,whatever\n")
    given = read_given([f"cat={cats}", f"dog={dogs}"])
    assert given.label_of == {"a/1.png": "cat", "a/2.png": "cat", "b/1.png": "dog"}


def test_a_file_whose_name_has_an_equals_sign_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "run=3.csv", "path,label\na/1.png,cat\n")
    assert read_given(["run=3.csv"]).label_of == {"a/1.png": "cat"}


def test_duplicates_that_agree_are_counted(tmp_path: Path):
    one = written(tmp_path / "one.csv", "path,label\na/1.png,cat\na/1.png,cat\nb/1.png,dog\n")
    two = written(tmp_path / "two.csv", "path,label\nb/1.png,dog\n")
    given = read_given([one, two])
    assert given.label_of == {"a/1.png": "cat", "b/1.png": "dog"}
    assert given.notes == ("2 lines said again what was said before",)


def test_all_conflicts_are_named_with_both_labels_and_places(tmp_path: Path):
    one = written(tmp_path / "one.csv", "path,label\na/1.png,cat\na/1.png,dog\nb/1.png,dog\n")
    two = written(tmp_path / "two.csv", "path,label\nb/1.png,cat\n")
    with pytest.raises(LookalikeError) as caught:
        read_given([one, two])
    assert str(caught.value) == (
        "2 labels in conflict; correct or empty one of each two:\n"
        f"  - {one}:3 calls 'a/1.png' both 'cat' and 'dog'; the first is {one}:2\n"
        f"  - {two}:2 calls 'b/1.png' both 'dog' and 'cat'; the first is {one}:4"
    )


def test_of_many_conflicts_a_few_are_shown(tmp_path: Path):
    lines = "".join(f"{i}.png,cat\n{i}.png,dog\n" for i in range(9))
    with pytest.raises(LookalikeError, match="9 labels in conflict(.|\n)*and 4 more$"):
        read_given([written(tmp_path / "many.csv", "path,label\n" + lines)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it has nothing"),
        ("path,label\n", "it has nothing"),
        ("a,b\n1,2\n", "it has a, b"),
        ("path,cluster\na/1.png,2\n", "it has path, cluster; a list of images of one class is given as NAME="),
    ],
)
def test_files_that_hold_no_labels(tmp_path: Path, text: str, words: str):
    file = written(tmp_path / "labels.csv", text)
    with pytest.raises(LookalikeError, match="must have the columns path and label, and lines below them") as caught:
        read_given([file])
    assert words in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path):
    for word in ("none.csv", "cat=none.csv"):
        with pytest.raises(LookalikeError, match=r"cannot read none\.csv: "):
            read_given([word])
    with pytest.raises(LookalikeError, match="cannot read"):
        read_given([str(tmp_path)])
    with pytest.raises(LookalikeError, match="has no name before the '='"):
        read_given(["=none.csv"])


def test_rows_of_labels_and_unknown_paths_with_examples():
    given = Given({"b/1.png": "dog", "x.png": "cat", "a/1.png": "cat"}, ("noted",))
    rows, notes = rows_of(given, PATHS, "runs/a")
    assert rows == {2: "dog", 0: "cat"}
    assert notes == ["noted", "1 labelled path passed over, not an image of runs/a: 'x.png'"]
    many = Given({"a/1.png": "cat", **{f"{i}.png": "dog" for i in range(9)}})
    assert rows_of(many, PATHS, "runs/a")[1][0].endswith("'3.png', '4.png', ...")


def test_labels_of_other_images_altogether_are_refused():
    with pytest.raises(LookalikeError) as caught:
        rows_of(Given({"/photos/c/1.png": "cat", "/photos/d/1.png": "dog"}), PATHS, "runs/a")
    assert str(caught.value) == (
        "none of the 2 labelled paths is an image of runs/a:\n  - /photos/c/1.png\n  - /photos/d/1.png\n"
        "Paths are those of its index.csv, such as 'a/1.png'"
    )


def test_a_list_that_nobody_has_filled_in():
    with pytest.raises(LookalikeError, match="no line has a label yet"):
        rows_of(Given({}), PATHS, "runs/a")


# -- as people write them ---------------------------------------------------------------------------

LINES = "path,label\na/1.png,cat\nb/1.png,dog\n"


@pytest.mark.parametrize(
    "text",
    [
        LINES.replace("path,label", "Path , Label"),
        LINES.replace("path,label", "File Name,Class"),
        LINES.replace("path,label", "image-path,CATEGORY"),
        LINES.replace("path,label", "image,target"),
        LINES.replace("path,label", "filename,label"),
        LINES.replace("path,label", '"img","class"'),
        "sep=;\r\n" + LINES.replace(",", ";").replace("\n", "\r\n"),
        '"sep=,"\n' + LINES,
        "\n\n,,\n" + LINES,
        "# by hand, in May\n#\n" + LINES,
        LINES.replace("\n", "\r"),
        LINES.replace("\n", ",,\n"),
        LINES.replace("a/1.png,cat", "a/1.png,cat\n# not sure\n,,"),
        LINES.replace(",", "|"),
        LINES.replace("path,label\n", ""),
        "cat;a/1.png\ndog;b/1.png\n",
        LINES.encode("utf-16"),
        LINES.encode("utf-16-le"),
        b"\xfe\xff" + LINES.encode("utf-16-be"),
        LINES.replace(",", "\t").encode("utf-16"),
    ],
)
def test_tables_as_people_write_them(tmp_path: Path, text: str | bytes):
    given = read_given([written(tmp_path / "labels.csv", text)])
    assert given == Given({"a/1.png": "cat", "b/1.png": "dog"})


def test_old_spreadsheets_are_read_and_it_is_said(tmp_path: Path):
    given = read_given([written(tmp_path / "l.csv", "path;label\né/1.png;Käfer\nb.png;Öl \n".encode("cp1252"))])
    assert list(given.label_of.values()) == ["Käfer", "Öl"]
    assert "l.csv is not UTF-8: read as cp1252" in given.notes[0]
    assert rows_of(given, ("é/1.png", "b.png"), "runs/a")[0] == {0: "Käfer", 1: "Öl"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label,label\na,b,c\n", "has 2 columns called 'label': keep one of them"),
        ("a/1.png,cat,3\nb/1.png,dog,4\n", "it has 3 columns without names"),
        (b"\xff\xfea\0b", "is damaged: it begins as utf-16"),
        (b"path,label\na\0,b\n", "is no text"),
    ],
)
def test_tables_that_are_unclear_are_refused(tmp_path: Path, text: str | bytes, message: str):
    with pytest.raises(LookalikeError, match=message):
        read_given([written(tmp_path / "labels.csv", text)])


def test_numbers_stay_as_they_are_written(tmp_path: Path):
    given = read_given([written(tmp_path / "l.csv", "path,label\na.png,007\nb.png,1.0\nc.png,1\n")])
    assert list(given.label_of.values()) == ["007", "1.0", "1"]


NAMES = ("a/1.png", "a/2.png", "b/1.png", "b/Röß e.jpg", "top.png")


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("a/1.png", 0),
        ("./a/1.png", 0),
        ("a//1.png", 0),
        ("x/../a/1.png", 0),
        ("a\\1.png", 0),
        (".\\a\\1.png", 0),
        ("C:\\Users\\me\\photos\\a\\1.png", 0),
        ("\\\\server\\share\\photos\\a\\1.png", 0),
        ("/home/me/photos/a/1.png", 0),
        ("photos/a/1.png", 0),
        ("2.png", 1),
        ("2", 1),
        ("a/1", 0),
        ("A/2.PNG", 1),
        ("b/Ro\u0308ß e.jpg", 3),  # as macOS writes names
        ("b/R%C3%B6%C3%9F%20e.jpg", 3),
        ("'b/Röß e.jpg'", 3),
        ("/x/top.png", 4),
        ("1.png", None),  # two end so
        ("c/1.png", None),
        ("3.png", None),
        ("1", None),
        ("", None),
        ("..", None),
    ],
)
def test_paths_are_matched_however_they_are_written(path: str, row: int | None):
    assert Matcher(NAMES).row(path) == row


def test_a_name_that_is_there_is_itself_whatever_it_looks_like():
    names = ("a\\1.png", "a/1.png", "%20.png", " .png")
    assert [Matcher(names).row(name) for name in names] == [0, 1, 2, 3]


def test_the_folder_of_the_list_and_of_the_images_count(tmp_path: Path):
    (tmp_path / "photos" / "a").mkdir(parents=True)
    matcher = Matcher(("a/1.png", "b/1.png"), [tmp_path / "photos"])
    assert matcher.row(str(tmp_path / "photos" / "b" / "1.png")) == 1
    assert matcher.row("1.png", tmp_path / "photos" / "a") == 0
    assert matcher.row("../photos/b/1.png", tmp_path / "photos") == 1
    assert matcher.row("1.png", tmp_path) is None


def test_two_ways_to_write_one_image_may_not_contradict():
    with pytest.raises(LookalikeError, match=r"1 label in conflict.*\n.*both are the image 'a/1.png'"):
        rows_of(Given({"a/1.png": "cat", "photos/a/1.png": "dog"}), NAMES, "runs/a")
    rows, notes = rows_of(Given({"a/1.png": "cat", "photos/a/1.png": "cat"}), NAMES, "runs/a")
    assert rows == {0: "cat"} and "1 path written otherwise than in runs/a, such as 'photos/a/1.png'" in notes[0]
