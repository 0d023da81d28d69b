"""Files of labels as people and spreadsheets write them, and every way in which they can be wrong."""

from pathlib import Path

import pytest

from lookalike.core.errors import LookalikeError
from lookalike.core.labelled import Given, read_given, rows_of

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
        ("file,class\n1,2\n", "it has file, class"),
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
        rows_of(Given({"/photos/a/1.png": "cat", "/photos/b/1.png": "dog"}), PATHS, "runs/a")
    assert str(caught.value) == (
        "none of the 2 labelled paths is an image of runs/a:\n  - /photos/a/1.png\n  - /photos/b/1.png\n"
        "Paths are those of its index.csv, such as 'a/1.png'"
    )


def test_a_list_that_nobody_has_filled_in():
    with pytest.raises(LookalikeError, match="no line has a label yet"):
        rows_of(Given({}), PATHS, "runs/a")
