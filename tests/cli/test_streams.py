"""Losing an output stream ends nothing, is not met with a traceback, and is told where words were the whole product."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SPEAKING = """
import logging, sys, warnings
from lookalike.cli import main
def command(words):
    for i in range(3000):
        print(f"line {i}", "x" * 40, flush=i % 2 == 0)
    print("to stderr", file=sys.stderr, flush=True)
    warnings.warn("a warning")
    logging.getLogger("some.library").error("an error of a library")
    from rich.console import Console
    Console().print("in colour")
    open(sys.argv[-1], "w").write("all was done")
    return 0
main._dispatch = command
main.entry()
"""
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def spoken(tmp_path: Path, redirected: str, *words: str, body: str = SPEAKING) -> tuple[int, str, str]:
    """Status, stdout and stderr of a command that says much, its streams led elsewhere by a shell."""
    done = tmp_path / "done"
    shell = f'"$0" -c "$1" {" ".join(words)} {done} {redirected}; exit ${{PIPESTATUS[0]}}'
    found = subprocess.run(["bash", "-c", shell, sys.executable, body], capture_output=True, text=True, timeout=120)
    assert body is not SPEAKING or done.read_text() == "all was done", found.stderr
    assert "Traceback" not in found.stderr and "Exception ignored" not in found.stderr, found.stderr
    return found.returncode, found.stdout, found.stderr


@pytest.mark.parametrize(
    ("redirected", "heard"),
    [
        ("| head -1", "a warning"),
        ("2>&1 | head -1", None),
        ("2> >(true)", None),
        (">&-", "a warning"),
        ("2>&-", None),
        ("<&- >&- 2>&-", None),
        pytest.param("> /dev/full", "could not be written: No space left on device", marks=FULL),
        pytest.param("2> /dev/full", None, marks=FULL),
        pytest.param("> /dev/full 2>&1", None, marks=FULL),
    ],
)
def test_work_goes_on_and_ends_well(redirected: str, heard: str | None, tmp_path: Path):
    status, out, err = spoken(tmp_path, redirected, "train")
    assert status == 0
    if "2>" not in redirected:
        assert heard is not None and heard in err and "an error of a library" in err
    if redirected.startswith("2>") and "|" not in redirected:
        assert out.count("line") == 3000 and "in colour" in out


@pytest.mark.parametrize(
    ("redirected", "expected"),
    [("| head -1", 141), pytest.param("> /dev/full", 1, marks=FULL), (">&-", 0), ("| cat", 0)],
)
def test_where_words_are_all_there_is_the_status_tells(redirected: str, expected: int, tmp_path: Path):
    assert spoken(tmp_path, redirected, "runs", "ls", "--json")[0] == expected


@FULL
@pytest.mark.parametrize("words", ["--help", "train simclr --help", "--version"])
def test_help_that_cannot_be_written_is_told_in_words(words: str, tmp_path: Path):
    status, _, err = spoken(tmp_path, "> /dev/full", words, body="from lookalike.cli import main; main.entry()")
    assert (status, err) == (1, "lookalike: what was to be printed could not be written: No space left on device\n")


def test_a_mistake_keeps_its_status_where_nobody_hears(tmp_path: Path):
    assert spoken(tmp_path, "2>&-", "trian", body="from lookalike.cli import main; main.entry()")[0] == 2


def test_a_pipe_that_does_not_block_is_waited_for():
    """Some programs that start others leave their pipes so; writing to a full one is an error there, and no loss."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    body = "from lookalike.cli import main\nmain._dispatch = lambda words: print('x' * 300_000) or 0\nmain.entry()"
    process = subprocess.Popen([sys.executable, "-c", body], stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    with open(ours, "rb") as file:
        assert len(file.read()) == 300_001
    assert (process.wait(60), process.stderr.read()) == (0, b"")
    process.stderr.close()


def test_files_do_not_get_the_number_of_a_closed_stream(tmp_path: Path):
    body = (
        "import os, sys\nfrom lookalike.cli import main\n"
        "def command(words):\n"
        "    with open(words[-1], 'w') as file:\n"
        "        os.write(1, b'printed by a library')\n"
        "        file.write('content')\n"
        "    return 0\n"
        "main._dispatch = command\nmain.entry()"
    )
    spoken(tmp_path, ">&-", body=body)
    assert (tmp_path / "done").read_text() == "content"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_names_that_an_encoding_lacks_are_written_all_the_same(encoding: str):
    body = (
        "from lookalike.cli import main\n"
        r"main._dispatch = lambda words: print('K\u00f6ln \u65e5 \udcff') or 0"
        "\nmain.entry()"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, env=environment, timeout=60)
    expected = {
        "latin-1": b"K\xf6ln \\u65e5 \xff",
        "ascii": b"K\\xf6ln \\u65e5 \xff",
        "utf-8": b"K\xc3\xb6ln \xe6\x97\xa5 \xff",
    }
    assert (done.returncode, done.stdout, done.stderr) == (0, expected[encoding] + b"\n", b"")


def test_ctrl_c_that_kills_the_reader_too_is_one_interruption(tmp_path: Path):
    body = (
        "import os, signal, sys\nfrom lookalike.cli import main\n"
        "def command(words):\n"
        "    print(os.getpid(), flush=True)\n"
        "    signal.pause()\n"
        "main._dispatch = command\nmain.entry()"
    )
    process = subprocess.Popen([sys.executable, "-c", body], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    number = int(process.stdout.readline())
    process.stdout.close()
    os.kill(number, signal.SIGINT)
    assert process.wait(60) == 130
