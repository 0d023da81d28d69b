"""What the documentation shows is run: the blocks of a page one after the other, in a folder of small images."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.core import machine
from plain_ops import plain_torchvision
from shell_blocks import ROOT, blocks, check, commands, follow, indented_commands

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
PAGES = [page for page in PAGES if page.parent.name != "reference"]  # made from code at each build
NOT_RUN = {"text", "toml", "bibtex", "{toctree}", "{eval-rst}"}
"""Languages of what is shown only."""


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def workplace(tmp_path: Path, photos: Path, photo_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with what the pages speak of: photos, others, an image, a few labels, two runs."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(photos, "photos")
    shutil.make_archive("photos", "zip", photos)
    Path("more-photos").mkdir()
    generator = np.random.default_rng(1)
    for i in range(6):
        pixels = generator.integers(0, 256, (24, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(Path("more-photos") / f"{i}.jpg")
    shutil.copy(Path("more-photos") / "0.jpg", "new.jpg")
    named = [f"{kind}/{i:03d}.png,{kind}" for kind in ("blue", "green") for i in range(3)]
    Path("labels.csv").write_text("\n".join(["path,label", *named]) + "\n")
    for method in ("simclr", "deepcluster"):
        shutil.copytree(photo_run, Path("runs") / f"{method}-photos")
    machine.prepare(None)  # as many threads as whoever types it in has
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p.read_text())], ids=name_of)
def test_the_blocks_run(page: Path, workplace: Path, photo_run: Path, monkeypatch: pytest.MonkeyPatch):
    if "from torchvision" in page.read_text():  # also where its compiled part is missing
        plain_torchvision(monkeypatch)
    names: dict[str, object] = {"__name__": page.stem}
    for number, (language, block) in enumerate(blocks(page.read_text()), 1):
        file = re.match(r"# (\w+\.py)\n", block)
        if language == "python" and file:
            Path(file[1]).write_text(block, encoding="utf-8")
        elif language == "python":
            exec(compile(block, f"{page.name}, block {number}", "exec"), names)
        elif language == "sh":
            for words in commands(block):
                follow(words, photo_run)
        else:
            assert language in NOT_RUN, f"{name_of(page)}, block {number}: {language!r} is neither run nor text"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_on_indented_lines_are_understood(page: Path):
    for words in indented_commands(page.read_text()):
        assert check(words), words


def test_a_wrong_command_is_noticed(workplace: Path, photo_run: Path):
    for line in (
        "lookalike train simclr mnist:DIR --epoch 3",
        "lookalike cluster runs/simclr-photos --k few",
        "lookalike searches runs/simclr-photos new.jpg",
        "make coffee",
        "pip install 'lookalike[coffee]'",
        "python benchmarks/kmeans.py --coffee",
        "torchrun --nproc-per-node 2 -m lookalike train simclr photos/ --batch 512",
        "brew coffee",
    ):
        with pytest.raises(AssertionError):
            for words in commands(line):
                follow(words, photo_run)


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", page.read_text()):
            made = (page.parent / target).resolve().parent == DOCS / "reference"
            assert made or (page.parent / target).exists(), f"{name_of(page)}: {target}"


@pytest.mark.parametrize(("page", "most"), [("README.md", 130), ("docs/design.md", 120), ("docs/glossary.md", 40)])
def test_pages_that_are_to_be_short_are_short(page: str, most: int):
    assert len((ROOT / page).read_text().splitlines()) <= most


def test_a_decision_says_what_was_decided_in_which_situation_and_what_follows():
    decisions = sorted((DOCS / "decisions").glob("[0-9]*"))
    assert len(decisions) > 80
    for page in decisions:
        assert re.fullmatch(r"\d{3}-[a-z0-9-]+\.md", page.name), page.name
        text = page.read_text().lower()
        places = [text.find(part) for part in ("situation", "decision", "consequences")]
        assert -1 < places[0] < places[1] < places[2], f"{page.name} is not situation, decision, consequences"
        assert len(text.splitlines()) <= 40, f"{page.name} is longer than a decision"
