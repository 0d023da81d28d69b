"""`lookalike search`: what is nearest, in a table, as JSON and on a page; other channels and sizes; bad runs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.cli.main import main
from lookalike.report.search import SearchHit, write_search

HOSTILE = "<img src=x onerror=alert(1)>.png"


def found(capsys: pytest.CaptureFixture, *words: str) -> dict:
    """What a search prints as JSON."""
    assert main(["search", *words, "--json", "--threads=1"]) == 0
    return json.loads(capsys.readouterr().out)


def test_an_image_of_the_run_finds_itself_first(photos: Path, photo_run: Path, capsys: pytest.CaptureFixture):
    asked = [str(photos / "green" / "003.png"), str(photos / "red" / HOSTILE)]
    result = found(capsys, str(photo_run), *asked, "-n", "5")
    assert result["notes"] == []
    assert [query["image"] for query in result["queries"]] == asked
    for query, path in zip(result["queries"], (f"green/{'003.png'}", f"red/{HOSTILE}"), strict=True):
        first = query["hits"][0]
        assert len(query["hits"]) == 5
        assert first["path"] == path and first["label"] == path.split("/")[0]
        assert first["similarity"] == pytest.approx(1, abs=1e-5)
        assert first["distance"] == pytest.approx(0, abs=1e-5)
        assert [hit["similarity"] for hit in query["hits"]] == sorted(
            (hit["similarity"] for hit in query["hits"]), reverse=True
        )


def test_the_table_is_aligned_and_shows_no_control_characters(
    photos: Path, photo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    named = tmp_path / "a\x1b[31mred\n.png"
    shutil.copy(photos / "red" / "000.png", named)
    assert main(["search", str(photo_run), str(named), "--n=3"]) == 0
    shown = capsys.readouterr().out
    assert f"60 images of {photo_run}" in shown
    assert "\x1b" not in shown and "a\\x1b[31mred\\n.png" in shown
    lines = shown.splitlines()[-3:]
    assert len({line.index("red/") if "red/" in line else line.rindex("/") for line in lines[:1]}) == 1
    assert lines[0].split()[:3] == ["1", "1.000", "red"]


def test_a_folder_is_all_its_images(photos: Path, photo_run: Path, capsys: pytest.CaptureFixture):
    assert len(found(capsys, str(photo_run), str(photos / "blue"))["queries"]) == 20


def test_grey_deep_and_large_images_enter_as_in_training(
    photos: Path, photo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    with Image.open(photos / "blue" / "000.png") as image:
        image.convert("L").save(tmp_path / "grey.png")
        image.resize((200, 200)).save(tmp_path / "large.png")
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 256).save(tmp_path / "deep.png")
    result = found(capsys, str(photo_run), str(tmp_path / "grey.png"))
    assert "grey images were given to a network for colour" in result["notes"][0]
    large = found(capsys, str(photo_run), str(tmp_path / "large.png"))
    assert large["notes"] == [] and large["queries"][0]["hits"][0]["label"] == "blue"
    deep = found(capsys, str(photo_run), str(tmp_path / "deep.png"))
    assert deep["notes"] == result["notes"]
    assert len(deep["queries"][0]["hits"]) == 20


def test_the_page_escapes_names_and_needs_nothing(photos: Path, photo_run: Path, tmp_path: Path):
    page = tmp_path / "found.html"
    words = ["search", str(photo_run), str(photos / "red" / HOSTILE), "--html", str(page), "-n", "3"]
    assert main(words) == 0
    text = page.read_text()
    assert "<img src=x" not in text and "&lt;img src=x onerror=alert(1)&gt;.png" in text
    assert text.count("data:image/jpeg;base64,") == 4  # what was asked, and three that were found
    assert "<script" not in text and "http" not in text.replace("http-equiv", "")
    assert page.stat().st_size < 100_000


def test_images_without_thumbnails_come_from_their_files_or_are_names(photos: Path, photo_run: Path, tmp_path: Path):
    run, moved = tmp_path / "run", tmp_path / "moved"
    shutil.copytree(photo_run, run)
    shutil.rmtree(run / "snapshots")
    shutil.copytree(photos, moved)
    for name in ("config.toml", "run.json"):  # a run also knows where its images were when it was trained
        (run / name).write_text((run / name).read_text().replace(str(photos), str(moved)))
    page, words = tmp_path / "found.html", ["search", str(run), str(photos / "red" / "001.png"), "-n", "3"]
    assert main([*words, "--html", str(page)]) == 0
    assert page.read_text().count("data:image/jpeg;base64,") == 4
    shutil.rmtree(moved)
    assert main([*words, "--html", str(page)]) == 0
    assert page.read_text().count("no picture") == 3


def test_the_page_in_a_browser(browser, tmp_path: Path):
    asked = [
        (SearchHit("</h2><script>alert(1)</script>.jpg", None), [SearchHit(HOSTILE, None, 3, 0.5, "<b>class</b>")])
    ]
    write_search(tmp_path / "page.html", "title", asked, ["a <i>note</i>"])
    page = browser.new_context(offline=True).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.goto((tmp_path / "page.html").as_uri())
    assert page.locator("li .name").inner_text() == HOSTILE
    assert page.locator("h2").inner_text() == "</h2><script>alert(1)</script>.jpg"
    assert page.locator("script").count() == page.locator("li b b").count() == 0
    assert said == []
    page.context.close()


def test_mistakes_are_said(photos: Path, photo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    image = str(photos / "red" / "000.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_text("no picture")
    for words, message in (
        ([], "no run named"),
        ([str(photo_run)], "no image named"),
        (["nowhere", image], "nowhere is no run folder"),
        ([str(photo_run), "nowhere.png"], "no such image: nowhere.png"),
        ([str(photo_run), str(tmp_path / "empty")], "no images in"),
        ([str(photo_run), image, "-n", "0"], "--n must be at least 1"),
        ([str(photo_run), str(tmp_path / "text.png")], f"cannot read the image {tmp_path / 'text.png'}: "),
        (
            [str(photo_run), *[str(tmp_path / "text.png")] * 2],
            f"2 of 2 images cannot be read: {tmp_path / 'text.png'}: ",
        ),
    ):
        assert main(["search", *words]) == 2
        assert message in capsys.readouterr().err


def test_of_several_images_the_broken_are_named_and_the_others_answered(
    photos: Path, photo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    shutil.copy(photos / "red" / "000.png", tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    (tmp_path / "c.png").symlink_to(tmp_path / "nothing")
    assert main(["search", str(photo_run), str(tmp_path), "nowhere.png", "-n", "1"]) == 0
    said = capsys.readouterr()
    for name in (tmp_path / "b.png", tmp_path / "c.png", "nowhere.png"):
        assert f"{name} cannot be read and is passed over: " in said.err
    assert "red/000.png" in said.out and "b.png" not in said.out
    assert main(["search", str(photo_run), str(tmp_path), "--json", "--html", str(tmp_path / "page.html")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [query["image"] for query in found["queries"]] == [str(tmp_path / "a.png")]
    assert set(found["unread"]) == {str(tmp_path / "b.png"), str(tmp_path / "c.png")}
    assert "b.png cannot be read" in (tmp_path / "page.html").read_text()


def test_features_that_are_absent_or_of_other_images(
    photos: Path, photo_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    run, image = tmp_path / "run", str(photos / "red" / "000.png")
    shutil.copytree(photo_run, run)
    features = np.load(run / "embeddings.npy")
    np.save(run / "embeddings.npy", features[:-1])
    assert main(["search", str(run), image]) == 2
    assert "index.csv has 60 rows: they do not belong together" in capsys.readouterr().err
    features[7, 0] = np.nan
    np.save(run / "embeddings.npy", features)
    assert main(["search", str(run), image]) == 2
    assert "not finite" in capsys.readouterr().err
    np.save(run / "embeddings.npy", features.astype(object), allow_pickle=True)
    assert main(["search", str(run), image]) == 2
    assert "cannot read" in capsys.readouterr().err
    (run / "embeddings.npy").unlink()
    assert main(["search", str(run), image]) == 2
    assert "lookalike embed" in capsys.readouterr().err
