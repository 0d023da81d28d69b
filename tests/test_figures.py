"""Every figure stands once, in docs/results/*.json: tables are made from there, and pages say what is there."""

import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.append(str(DOCS))

import figures  # noqa: E402 - docs/ is no package

NAMES = sorted(file.stem for file in figures.DATA.glob("*.json"))
MNIST, CIFAR = "paper > MNIST", "paper > CIFAR-10 (JPEG copy)"
ALEXNET = "DeepCluster, AlexNet, 10 clusters (the paper's)"


def n(place: str, index: int = 0) -> float:
    return figures.number(place, index)


def linear(of: str, row: str, digits: int = 3) -> str:
    return f"{n(f'{of} > {row} > linear'):.{digits}f}"


def groups(row: str, column: str = "k-means, 10") -> str:
    return f"{n(f'{MNIST} > {row} > {column}'):.2f}"


def minutes(place: str, index: int = 0) -> str:
    return f"{n(place, index) / 60:.0f}"


def demonstration(row: str) -> str:
    """A line of the table that `lookalike demo` prints."""
    columns = ("k-means, 10 clusters", "1 label a class", "kNN", "linear")
    cells = [f"{n(f'demo > The same, in float32 > {row} > {column}'):.1%}" for column in columns]
    return " ".join([row, *cells])


def expected(row: str, method: str, title: str = "") -> str:
    """A line of the README's table."""
    quickest = [minutes(f"{of} > {row} > training, s", 1) for of in (MNIST, CIFAR)]
    accuracy = [linear(MNIST, row), groups(row), linear(CIFAR, row)]
    command = f"`lookalike train {method} DATA`"
    if row == "DeepCluster":
        quickest[1] += f" to {minutes(f'{CIFAR} > {row} > training, s', 2)}"
    told = [title or row, *accuracy[:2], f"{quickest[0]} min", accuracy[2], f"{quickest[1]} min", command]
    if row == "SimCLR":
        of = "simclr-24px > CIFAR-10, JPEG copy"
        told[4:6] = [f"{n(f'{of} > linear'):.3f}", f"{minutes(f'{of} > training, s')} min in float32"]
    return f"| {' | '.join(told)} |"


def batches(table: str, digits: int = 3) -> str:
    """Linear accuracies by SGD at batches of 128, 512 and 2,048."""
    epochs = 4 if table == "MNIST" else 6
    places = [f"batch-size > {table} > {batch} | SGD | {epochs} > linear" for batch in ("128", "512", "2,048")]
    return " / ".join(f"{n(place):.{digits}f}" for place in places)


def gain(table: str, row: str, before: str) -> str:
    """Points of linear accuracy between two rows of the study of batch sizes."""
    of = f"batch-size > {table}"
    return f"{100 * (n(f'{of} > {row} > linear') - n(f'{of} > {before} > linear')):.1f}"


PHOTOS = "groceries > kNN: trained / untrained / pixels > commit bdabcf4, alone"
MEAN = "simclr-seeds > Mean and spread of three seeds"
JPEG = "CIFAR-10, JPEG copy (recipe `small-images`)"

SENTENCES = [
    ("README.md", demonstration("pixels")),
    ("README.md", demonstration("untrained")),
    ("README.md", demonstration("SimCLR")),
    ("README.md", demonstration("DeepCluster")),
    ("README.md", demonstration("DeepCluster-v2")),
    ("README.md", f"{n('demo > Seconds > without AVX-512 | 7a70f26 > seconds in all'):.0f} s in all"),
    *[
        ("README.md", f"| {title} | {linear(MNIST, row)} | {groups(row)} | | {linear(CIFAR, row)} | | |")
        for row, title in (("raw pixels", "raw pixels"), ("untrained network", "the network untrained"))
    ],
    ("README.md", expected("SimCLR", "simclr")),
    ("README.md", expected("DeepCluster", "deepcluster")),
    ("README.md", expected("DeepCluster-v2", "deepcluster-v2")),
    ("README.md", expected("supervised", "supervised")),
    (
        "README.md",
        f"kNN {n(PHOTOS):.2f} on others, the network untrained {n(PHOTOS, 1):.2f}, pixels {n(PHOTOS, 2):.2f}",
    ),
    (
        "README.md",
        f"{n('train_cpu > mnist, views/s > ours beside it')} times (MNIST) and "
        f"{n('train_cpu > cifar10, views/s > ours beside it')} times (CIFAR-10) the images a second",
    ),
    (
        "README.md",
        f"{n('train_cpu > cifar10, linear accuracy after 9 minutes > ours beside it')} points ahead on CIFAR-10",
    ),
    (
        "README.md",
        f"{n('decode > DataLoader of Pillow, 2 workers: decode and scale > ours is as fast, times'):.0f} times as fast "
        "as by a DataLoader",
    ),
    (
        "docs/choosing.md",
        f"Linear accuracy {linear(MNIST, 'SimCLR')} on MNIST and "
        f"{n('simclr-24px > CIFAR-10, JPEG copy > linear'):.3f} on CIFAR-10",
    ),
    ("docs/choosing.md", f"({groups('SimCLR')}, and {n('simclr-24px > CIFAR-10, JPEG copy > k-means, 10'):.2f})"),
    (
        "docs/choosing.md",
        f"{linear(MNIST, 'DeepCluster')} and {linear(CIFAR, 'DeepCluster')}, on CIFAR-10 in "
        f"{minutes(f'{CIFAR} > DeepCluster > training, s', 1)} to {minutes(f'{CIFAR} > DeepCluster > training, s', 2)} "
        f"minutes where SimCLR took {minutes(f'{MEAN} > seconds of training steps > {JPEG}')} to "
        f"{n(f'{MEAN} > linear, trained > {JPEG}'):.3f}",
    ),
    (
        "docs/choosing.md",
        f"by linear accuracy ({linear(CIFAR, 'DeepCluster-v2')}) and takes the longest there "
        f"({minutes(f'{CIFAR} > DeepCluster-v2 > training, s')} minutes)",
    ),
    ("docs/choosing.md", f"on the same networks ({linear(CIFAR, 'supervised', 2)} on CIFAR-10)"),
    ("docs/choosing.md", f"stay below raw pixels: {linear(MNIST, ALEXNET, 2)} on MNIST"),
    ("docs/choosing.md", f"where pixels have {linear(MNIST, 'raw pixels', 2)}"),
    ("docs/choosing.md", f"the small network give {linear(MNIST, 'DeepCluster')}"),
    (
        "docs/choosing.md",
        f"10 clusters reach {linear(MNIST, 'DeepCluster, 10 clusters')} linear, "
        f"100 reach {linear(MNIST, 'DeepCluster')}",
    ),
    (
        "docs/choosing.md",
        f"MNIST {batches('MNIST')} linear at 128 / 512 / 2,048, CIFAR-10 (12,500 images) "
        f"{batches('CIFAR-10 (JPEG copy)')}",
    ),
    (
        "docs/choosing.md",
        f"at 2,048 it is {gain('MNIST', '2,048 | LARS | 4', '2,048 | SGD | 4')} and "
        f"{gain('CIFAR-10 (JPEG copy)', '2,048 | LARS | 6', '2,048 | SGD | 6')} points ahead of SGD",
    ),
    (
        "docs/choosing.md",
        f"gain {gain('CIFAR-10 (JPEG copy)', '128 | SGD | 12', '128 | SGD | 6')} points from 6 to 12 epochs",
    ),
    (
        "docs/choosing.md",
        f"kNN on pixels reaches {n('demo > The same, in float32 > pixels > kNN'):.2f}",
    ),
    (
        "docs/how-to/cluster.md",
        f"({groups('SimCLR', 'spectral, 10')} against {groups('SimCLR')}) and behind for DeepCluster's "
        f"({groups('DeepCluster', 'spectral, 10')} against {groups('DeepCluster')})",
    ),
    (
        "docs/verdict.md",
        f"a linear accuracy of {linear(MNIST, 'DeepCluster')} both, and ten groups of the one agree with "
        f"{groups('DeepCluster-v2')} of the digits, of the other with {groups('DeepCluster')}",
    ),
    (
        "mnist.toml",
        f"simclr {linear(MNIST, 'SimCLR')}, deepcluster {linear(MNIST, 'DeepCluster')}, deepcluster-v2 "
        f"{linear(MNIST, 'DeepCluster-v2')}, supervised {linear(MNIST, 'supervised')}; ten groups by k-means: simclr "
        f"{groups('SimCLR')}, deepcluster {groups('DeepCluster')}",
    ),
    (
        "small-images.toml",
        f"linear accuracy (untrained {linear(CIFAR, 'untrained network', 2)}, "
        f"pixels {linear(CIFAR, 'raw pixels', 2)}): "
        f"simclr {n('simclr-24px > CIFAR-10, JPEG copy > linear'):.3f} "
        f"({minutes('simclr-24px > CIFAR-10, JPEG copy > training, s')} minutes",
    ),
    ("photos.toml", f"others {n(PHOTOS):.3f} (untrained {n(PHOTOS, 1):.3f}, pixels {n(PHOTOS, 2):.3f})"),
]
"""Pages, and what they say of figures."""

TRIED = [
    ("docs/choosing.md", "300 fall back in groups (0.90 against 0.95)", "recipes", "300: 0.9836 / 0.9778 / 0.8963"),
    ("docs/choosing.md", "agreed with 0.68 of the classes", "recipes", "temperature 0.5 | 0.68"),
    ("docs/choosing.md", "with 0.88 where brightness", "recipes", "brightness and contrast by up to 0.8 | 0.88"),
    ("docs/choosing.md", "raw pixels 0.80", "recipes", "| pixels | 0.80 |"),
    ("docs/choosing.md", "0.2 was a point better than the 0.08", "recipes", "the same, crops from 0.2 | 0.541"),
]
"""Pages, what they say of something that was tried, the page of docs/log/ and what that says."""


def text_of(page: str) -> str:
    """A page with its spaces made one; a recipe's remarks without their marks."""
    (path,) = [ROOT / page] if "." in page and (ROOT / page).exists() else (ROOT / "src").rglob(page)
    lines = path.read_text(encoding="utf-8").splitlines()
    return " ".join(" ".join(line.removeprefix("# ") for line in lines).split())


# -- figures stand once ----------------------------------------------------------------------------------


def test_the_tables_are_those_of_the_files():
    text = figures.PAGE.read_text()
    assert figures.filled(text) == text, "a file of docs/results/ has changed: run python docs/figures.py"


def test_every_file_has_a_place_and_says_how_it_was_made():
    assert set(NAMES) <= set(figures.places(figures.PAGE.read_text()))
    for name in NAMES:
        data = figures.read(name)
        assert set(data) == {*figures.KEYS, "tables", "notes"}, name
        assert data["tables"], name
        if name != "missed":
            assert data["command"] and data["machine"], name
        for table in data["tables"]:
            assert {len(row) for row in table["rows"]} == {len(table["columns"])}, f"{name}, {table['title']}"


def test_the_page_of_results_has_no_figure_beside_its_tables():
    text = figures._BLOCK.sub("", figures.PAGE.read_text())
    assert not re.search(r"\d", text.replace("k-means", "").replace("CIFAR-10", "")), text


@pytest.mark.parametrize(("page", "sentence"), SENTENCES)
def test_a_page_says_what_was_measured(page: str, sentence: str):
    assert sentence in text_of(page)


@pytest.mark.parametrize(("page", "sentence", "log", "words"), TRIED)
def test_a_page_says_what_was_tried(page: str, sentence: str, log: str, words: str):
    assert sentence in text_of(page)
    assert words in text_of(f"docs/log/{log}.md")


@pytest.mark.parametrize("page", ["README.md", "docs/choosing.md"])
def test_no_figure_of_a_page_is_without_its_source(page: str):
    text = text_of(page)
    for sentence in [s for of, s, *_ in [*SENTENCES, *TRIED] if of == page]:
        text = text.replace(sentence, "")
    text = re.sub(r"`[^`]*`", "", text)  # commands and options
    left = re.findall(r"\b\d\.\d\d+|\b\d+\.\d %|\b[\d.]+ (?:points|times as|min)\b|\d%", text)
    assert set(left) <= {"0.75", "3.11"}, left  # the default of --view-scale; of Python


# -- the tool --------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page with places for `speed` and `later`, in a folder of its own."""
    monkeypatch.setattr(figures, "DATA", tmp_path)
    monkeypatch.setattr(figures, "PAGE", tmp_path / "results.md")
    places = "".join(f"<!-- results {name} -->\n<!-- end of {name} -->\n\n" for name in ("speed", "later"))
    figures.PAGE.write_text(f"# Results\n\n{places}end\n")
    return tmp_path


PRINTED = """
words before
| what | who | s |
|---|---|---|
| a | ours | 1,234 (1,200..1,300) |
| a | **theirs** | 2.5x |

| another | table |
"""


def test_a_table_that_is_taken_stands_on_the_page_and_its_cells_are_found(kept: Path):
    figures.take("speed", "", PRINTED, {"command": "python it.py", "commit": "abc", "machine": "a machine"})
    text = (kept / "results.md").read_text()
    assert "| a | ours | 1,234 (1,200..1,300) |" in text and "`python it.py`; a machine; commit abc." in text
    assert text.count("Not measured yet.") == 1 and text.endswith("end\n")
    assert [figures.number("speed > a | ours > s", i) for i in range(3)] == [1234, 1200, 1300]
    assert figures.cell("speed > a | theirs > who") == "theirs"
    for wrong in ("speed > a > s", "speed > b > s", "speed > a | ours > t", "speed > title > a | ours > s"):
        with pytest.raises(KeyError, match="are meant"):
            figures.cell(wrong)
    figures.take("speed", "more", PRINTED, {})
    figures.take("speed", "", PRINTED.replace("2.5x", "3x"), {"commit": "def"})
    assert [table["title"] for table in figures.read("speed")["tables"]] == ["", "more"]
    assert figures.number("speed > more > a | theirs > s") == 2.5
    figures.take("speed", "more", "chosen:\n" + PRINTED + "judged:\n" + PRINTED.replace("2.5x", "4x"), {}, "judged:")
    assert figures.number("speed > more > a | theirs > s") == 4
    assert "**more**" in figures.PAGE.read_text() and "commit def" in figures.PAGE.read_text()


def test_what_has_no_place_is_refused_and_nothing_is_written(kept: Path):
    with pytest.raises(SystemExit, match="no place for elsewhere"):
        figures.take("elsewhere", "", PRINTED, {})
    with pytest.raises(SystemExit, match="no table"):
        figures.take("speed", "", "nothing here", {})
    assert not list(kept.glob("*.json"))


def module_of(folder: str, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / folder))
    return importlib.import_module(name)


def test_a_benchmark_writes_its_table_where_the_page_takes_it_from(kept: Path, monkeypatch: pytest.MonkeyPatch):
    common = module_of("benchmarks", "common", monkeypatch)
    monkeypatch.setattr(common, "ENVIRONMENTS", kept / "benchmarks" / "environments")
    table = common.Table("speed", ["what", "s"])
    table.row("a", "1.0")
    table.note("Two rounds.")
    table.data = {"seeds": [{"seed": 0}, {"seed": 1}]}
    assert json.loads(table.save(write=False).read_text())["rows"] == [["a", "1.0"]]
    assert "| a | 1.0 |" not in figures.PAGE.read_text() and not (kept / "speed.json").exists()
    table.save(write=True)
    data = figures.read("speed")
    assert data["seeds"] == "0, 1" and data["machine"] and data["commit"] and data["notes"] == ["Two rounds."]
    assert "| a | 1.0 |" in figures.PAGE.read_text()
    with pytest.raises(SystemExit, match="no place"):
        common.Table("nowhere", ["what"]).save(write=True)


def test_the_study_of_the_paper_writes_a_table_a_data_set(kept: Path, monkeypatch: pytest.MonkeyPatch):
    study = module_of("studies", "paper_table", monkeypatch)
    measured: dict[str, Any] = {"linear": 0.5, "knn": 0.25, "pixels.linear": 0.125}
    record = {"row": "simclr", "found": measured, "seconds": {"train": 60.0}, "commit": "abc"}
    record |= {"machine": {"processor": "one", "cores": 2}, "versions": {"torch": "2"}}
    for seed in (0, 1):
        (kept / f"mnist-simclr-{seed}").mkdir()
        (kept / f"mnist-simclr-{seed}" / "study.json").write_text(json.dumps({**record, "seed": seed}))
    figures.PAGE.write_text("<!-- results paper -->\n<!-- end of paper -->\n")
    figures.take("paper", "MNIST", PRINTED, {})
    study.write(study.tables(kept))
    assert figures.number("paper > MNIST > SimCLR > linear") == 0.5
    assert figures.number("paper > MNIST > SimCLR > seeds") == 2
    assert figures.number("paper > MNIST > raw pixels > linear") == 0.125
    assert figures.number("paper > MNIST > the paper, supervised > classifier") == 0.982
    assert "Seeds [0, 1]" in figures.PAGE.read_text()
