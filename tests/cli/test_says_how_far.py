"""Every command says what it does while it does it, where that goes, and that nothing of it is left behind."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from lookalike import demo
from lookalike.cli import heartbeat as command_line
from lookalike.cli.main import command_names, main
from lookalike.cli.streams import STREAMS
from lookalike.core import heartbeat
from lookalike.core.heartbeat import ERASE
from lookalike.core.progress import phase, tell
from lookalike.data.loading import load

TINY = ["--epochs=1", "--width=4", "--batch-size=20", "--threads=1", "--precision=float32"]
FEATURES = ["reading images", "computing features"]
TRAINING = ["reading images", "decoding images", "keeping thumbnails", "looking at what is learned", "saving the state"]
PAGE = ["writing the page", "laying out the map"]

Words = Callable[[Path, Path, Path], list[str]]
"""The words of a command, from images, a run that may be written to, and a folder."""

ON_STDOUT: dict[str, tuple[Words, list[str]]] = {
    "train": (
        lambda images, run, place: ["train", "simclr", str(images), "--out", str(place / "new"), "--no-store", *TINY],
        [*TRAINING, *PAGE],
    ),
    "auto": (
        lambda images, run, place: [str(images), "--out", str(place / "new"), "--no-store", *TINY],
        [*TRAINING, *PAGE, "choosing the number of groups", "evaluating features", "fitting linear probes"],
    ),
    "finetune": (
        lambda images, run, place: [
            "finetune",
            str(run),
            "--fraction=1",
            "--epochs=1",
            "--threads=1",
            "--out",
            str(place),
        ],
        ["reading images", "computing features", "saving the state"],
    ),
    "demo": (lambda images, run, place: ["demo", "--out", str(place / "demo"), "--threads=1"], ["computing features"]),
}
"""Commands that tell how they go on stdout; and phases that have to be among what they say."""

ON_STDERR: dict[str, tuple[Words, list[str]]] = {
    "evaluate": (
        lambda images, run, place: ["evaluate", str(run), "--threads=1", "--labels=1", "--seeds=1", "--no-finetune"],
        [*FEATURES, "evaluating features", "grouping images", "k-means", "learning from a few labels"],
    ),
    "embed": (lambda images, run, place: ["embed", str(run), str(images), "--out", str(place)], FEATURES),
    "cluster": (lambda images, run, place: ["cluster", str(run)], ["choosing the number of groups", "k-means"]),
    "label": (lambda images, run, place: ["label", str(run), str(_labels(run, place))], ["spreading labels"]),
    "select": (lambda images, run, place: ["select", str(run), "-n", "3", "--out", str(place / "n.csv")], ["k-means"]),
    "search": (
        lambda images, run, place: ["search", str(run), str(images / "red" / "000.png")],
        ["computing features", "searching"],
    ),
    "predict": (lambda images, run, place: ["predict", str(_tuned(run)), str(images)], FEATURES),
    "export": (
        lambda images, run, place: ["export", str(run), "--to", "tensorboard", "--out", str(place / "out")],
        ["exporting for tensorboard", "collecting pictures"],
    ),
    "report": (lambda images, run, place: ["report", str(run), "--out", str(place / "page.html")], PAGE[:1]),
    "runs": (lambda images, run, place: ["runs", "ls", str(run.parent)], ["reading runs"]),
    "views": (
        lambda images, run, place: ["views", str(images), "--out", str(place / "views.png"), "--no-store"],
        ["reading images", "making views"],
    ),
    "doctor": (lambda images, run, place: ["doctor", str(images)], ["listing files", "examining images: 0 of 60"]),
}
"""Commands whose stdout is what they found; how they go is told on stderr."""

WITH_JSON = [
    "evaluate",
    "cluster",
    "label",
    "select",
    "search",
    "predict",
    "export",
    "runs",
    "doctor",
    "finetune",
    "demo",
]
COMMANDS = ON_STDOUT | ON_STDERR


def _labels(run: Path, place: Path) -> Path:
    file = place / "labels.csv"
    file.write_text("path,label\nred/000.png,red\nblue/000.png,blue\ngreen/001.png,green\n", encoding="utf-8")
    return file


def _tuned(run: Path) -> Path:
    """A run that has learned from labels."""
    out = run.parent / "tuned"
    if not out.exists():
        assert main(["train", "supervised", str(run.parent / "images"), "--out", str(out), *TINY, "--no-report"]) == 0
    return out


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    return Path(shutil.copytree(photos, tmp_path_factory.mktemp("commands") / "images"))


@pytest.fixture(scope="module")
def run(images: Path, photo_run: Path) -> Path:
    """A run whose folder may be written to; the commands are tried in an order in which none needs another's work."""
    return Path(shutil.copytree(photo_run, images.parent / "run"))


@pytest.fixture
def chatty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each phase is said when it begins, however short it is."""
    monkeypatch.setattr(heartbeat, "INTERVALS", heartbeat.Intervals(first=0.0, every=0.0, brief=0.0))
    monkeypatch.setattr(demo, "METHODS", {"simclr": "SimCLR"})
    monkeypatch.setattr(demo, "run_demo", partial(demo.run_demo, epochs=1, width=4, batch_size=20))
    few = torch.arange(120)
    monkeypatch.setattr(demo, "load_images", lambda name: load(name).of_rows(few))


def test_every_command_is_tried():
    assert sorted(COMMANDS) == command_names()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does(
    name: str, images: Path, run: Path, tmp_path: Path, chatty: None, capsys: pytest.CaptureFixture
):
    words, expected = COMMANDS[name]
    asked = words(images, run, tmp_path)
    capsys.readouterr()
    assert main(asked) == 0
    said = capsys.readouterr()
    told, other = (said.out, said.err) if name in ON_STDOUT else (said.err, said.out)
    assert [title for title in expected if title not in told] == []
    assert [title for title in expected if re.search(rf"^{title}(:|,|$)", other, re.MULTILINE)] == []
    assert ERASE not in told + other
    assert heartbeats() == []


@pytest.mark.parametrize("name", WITH_JSON)
def test_json_is_all_there_is_on_stdout(
    name: str, images: Path, run: Path, tmp_path: Path, chatty: None, capsys: pytest.CaptureFixture
):
    words, expected = COMMANDS[name]
    asked = [*words(images, run, tmp_path), "--json"]
    capsys.readouterr()
    assert main(asked) == 0
    said = capsys.readouterr()
    json.loads(said.out)
    assert expected[-1] in said.err or name == "evaluate"  # whose figures are there already


def heartbeats() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "lookalike heartbeat"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_nothing_is_left_of_a_command_that_fails(
    error: type[BaseException], chatty: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    def failing(words: list[str]) -> int:
        with phase("failing"):
            assert len(heartbeats()) == 1
            raise error

    monkeypatch.setattr("lookalike.cli.commands.runs.run", failing)
    if error is KeyboardInterrupt:
        assert main(["runs"]) == 130
    else:
        with pytest.raises(error):
            main(["runs"])
    assert heartbeats() == []
    assert capsys.readouterr().err.startswith("failing\n")
    tell("unheard")
    assert capsys.readouterr() == ("", "")


def test_of_several_processes_the_first_one_speaks(chatty: None, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("RANK", "1")
    with command_line.heartbeat("train", []), phase("unheard"):
        pass
    monkeypatch.setenv("RANK", "0")
    with command_line.heartbeat("train", []), phase("heard"):
        pass
    assert capsys.readouterr().out == "heard\n"


@pytest.mark.parametrize(
    ("environment", "live"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False)],
)
def test_a_terminal_has_a_live_line_unless_it_cannot_or_should_not(
    environment: dict[str, str], live: bool, monkeypatch: pytest.MonkeyPatch
):
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = io.StringIO()
    assert not command_line._is_live(stream)
    monkeypatch.setattr(stream, "isatty", lambda: True)
    assert command_line._is_live(stream) is live


# -- processes of their own -----------------------------------------------------------------------

PROGRAM = """
import sys, time
from lookalike.cli import main
from lookalike.core import heartbeat
from lookalike.core.progress import phase, tell
heartbeat.INTERVALS = heartbeat.Intervals(first=0.0, every=0.0, brief=0.0, plain_look=0.01, look=0.01)
def command(name, words):
    from lookalike.cli.heartbeat import heartbeat
    with heartbeat(name, words), phase("one long call") as p:
        tell("a line that stays")
        time.sleep({seconds})
        print("a result", flush=True)
        print("a warning", file=sys.stderr, flush=True)
        time.sleep(0.2)
    print("the end")
    return 0
main._command_run = command
main.entry()
"""


def spoken(redirected: str, seconds: float = 0.2, before: str = "") -> subprocess.CompletedProcess:
    """The command `train` in a process of its own, its streams led elsewhere by a shell."""
    shell = f'{before} "$0" -c "$1" train {redirected}'
    words = ["bash", "-c", shell, sys.executable, PROGRAM.format(seconds=seconds)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("redirected", "before"),
    [
        ("", ""),
        ("<&-", ""),
        ("< /dev/null", "nohup"),
        (">&-", ""),
        ("2>&-", ""),
        ("<&- >&- 2>&-", ""),
        ("| head -1; exit ${PIPESTATUS[0]}", ""),
    ],
)
def test_lost_and_closed_streams(redirected: str, before: str):
    found = spoken(redirected, before=before)
    assert found.returncode == 0, found.stderr
    assert "Traceback" not in found.stderr and "Fatal" not in found.stderr
    if "|" not in redirected and ">" not in redirected:
        assert "one long call" in found.stdout and found.stdout.endswith("the end\n")


def test_to_a_file(tmp_path: Path):
    assert spoken(f"> {tmp_path / 'log'}").stdout == ""
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "one long call" in log and "\x1b" not in log and "\r" not in log


def in_a_terminal(seconds: float, stop: signal.Signals | None = None) -> tuple[int, str]:
    """What the same process shows in a terminal, and its exit status."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    words = [sys.executable, "-c", PROGRAM.format(seconds=seconds), "train"]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        shown += part
        if stop is not None and b"one long call" in shown:
            process.send_signal(stop)
            stop = None
    os.close(ours)
    return process.wait(60), shown.decode()


def screen(shown: str) -> list[str]:
    """The lines that a terminal shows in the end."""
    lines = [""]
    for part in re.split(r"(\r\n|\r\x1b\[2K|\n)", shown):
        if part in ("\r\n", "\n"):
            lines.append("")
        elif part == ERASE:
            lines[-1] = ""
        else:
            lines[-1] += part
    return lines


def test_in_a_terminal_the_live_line_gives_way_to_what_is_printed():
    status, shown = in_a_terminal(0.3)
    assert status == 0
    assert screen(shown) == ["a line that stays", "a result", "a warning", "the end", ""]
    assert shown.count("one long call") >= 2  # it was there, and came back
    assert "\x1b[?25l" not in shown  # the cursor is never hidden: who is killed could not show it again


@pytest.mark.parametrize(("stop", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9)])
def test_in_a_terminal_a_signal_ends_it(stop: signal.Signals, status: int):
    begun = time.monotonic()
    found, shown = in_a_terminal(60, stop)
    assert found == status and time.monotonic() - begun < 50
    if stop == signal.SIGINT:
        assert screen(shown)[-2:] == ["lookalike: interrupted", ""]


def test_the_library_prints_nothing(images: Path, tmp_path: Path):
    """Not even of images that it decodes, and whatever listens to logging is told."""
    code = f"""
import logging, sys
from lookalike import SimCLR
from lookalike import load
heard = []
class Handler(logging.Handler):
    def emit(self, record): heard.append(record.getMessage())
logging.getLogger("lookalike").addHandler(Handler())
logging.getLogger("lookalike").setLevel(logging.INFO)
model = SimCLR(epochs=1, width=4, batch_size=20, threads=1, image_size=16, out={str(tmp_path / "run")!r})
model.fit({str(images)!r})
model.transform({str(images)!r})
load({str(tmp_path / "run")!r}).embed({str(images)!r})
assert "decoding images begins" in heard and any(line.startswith("epoch 1/1") for line in heard), heard
"""
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=environment)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_output_that_is_no_terminal_is_written_as_it_is():
    assert STREAMS.out is None or STREAMS.out.before() == b""
