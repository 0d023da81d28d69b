"""The README's first screen, and that what it names is there. Its blocks are run by test_docs.py."""

import re
from pathlib import Path

from PIL import Image

from lookalike.cli.main import command_names

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SCREEN = 40
"""Lines that are seen without scrolling, or nearly."""


def test_the_first_screen_shows_a_picture_an_installation_and_a_result():
    screen = "\n".join(README.splitlines()[:SCREEN])
    sentence = README.splitlines()[2]
    assert sentence.startswith("Learn") and sentence.endswith(".")
    shown = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", screen)
    assert len(shown) == 1
    picture = ROOT / shown[0]
    assert picture.stat().st_size < 300_000
    with Image.open(picture) as image:
        assert image.width >= 1000
    assert screen.index("pip install .\nlookalike photos/") < screen.index("k-means, 10 clusters")


def test_every_command_is_named_and_every_named_command_exists():
    named = set(re.findall(r"`lookalike ([a-z]+)", README)) - {"runs"}
    assert named == set(command_names()) - {"auto", "runs"}
    assert "`lookalike runs ls`" in README


def test_the_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
