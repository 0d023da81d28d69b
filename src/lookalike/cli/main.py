"""The front door: `lookalike COMMAND ...`, or `lookalike DIR` for everything at once.

Commands are the modules of `cli/commands`, found by name. Nothing here imports torch or
scikit-learn: help and mistakes are answered before anything heavy is loaded.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import shlex
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from lookalike.cli import commands
from lookalike.cli.heartbeat import heartbeat
from lookalike.cli.interrupts import CTRL_C
from lookalike.cli.streams import STREAMS
from lookalike.core import nearby, registry
from lookalike.core.errors import Interrupted, LookalikeError, MachineError, did_you_mean
from lookalike.core.names import as_spelt
from lookalike.core.version import VERSION

_INTERRUPTED = 130  # as a shell says of a program that SIGINT killed
_DEBUG = "--debug"
_AUTO = "auto"  # the command behind `lookalike DIR`


def main(words: Sequence[str]) -> int:
    """Run a command line; returns the exit status and lets no LookalikeError and no stop through.

    With `--debug` the traceback of an error is shown as well.
    """
    try:
        return _run([word for word in words if word != _DEBUG])
    except LookalikeError as error:
        if _DEBUG in words:
            traceback.print_exc()
        if str(error) and not _said_by_another(error):
            print(f"lookalike: {error}", file=sys.stderr)
        return error.exit_status
    except Interrupted as error:
        if str(error):  # of several processes the first one speaks
            print(f"lookalike: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("lookalike: interrupted", file=sys.stderr)
        return _INTERRUPTED


def _run(words: list[str]) -> int:
    try:
        return _dispatch(words)
    except Exception as error:
        if CTRL_C.asked:
            raise KeyboardInterrupt from error  # which it was until a library made something else of it
        if isinstance(error, UnicodeEncodeError) and error.encoding == sys.getfilesystemencoding() != "utf-8":
            raise LookalikeError(
                f"this Python takes the names of files for {error.encoding}, and {error.object!r} is none: set "
                "PYTHONUTF8=1, or a locale of UTF-8 (LC_ALL=C.UTF-8)"
            ) from error
        raise


def _said_by_another(error: LookalikeError) -> bool:
    """Whether process 0 has met the same mistake: all are given the same words, and read them before they meet.

    Once they have met they agree on who speaks, and the others' errors are without words.
    """
    met = sys.modules.get("torch.distributed")
    alone = met is None or not met.is_available() or not met.is_initialized()
    return alone and os.environ.get("RANK", "0") != "0" and not isinstance(error, MachineError)


def entry() -> None:
    """The console script."""
    # Before torch is loaded: by default OpenMP's idle threads spin for the next piece of work, and with anything else
    # on the same cores a fit that takes two seconds takes thirty. Alone it is no slower this way.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    STREAMS.guard()
    CTRL_C.install()
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of tags that are odd; what is broken raises
    words = sys.argv[1:]
    try:
        status = main(words)
    except SystemExit as stopped:  # help was asked for, and printed
        status = stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    sys.exit(STREAMS.status(status, words))


def _dispatch(words: list[str]) -> int:
    names = command_names()
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"lookalike {VERSION}")
        return 0
    if words[0] in names and words[0] != _AUTO:
        return _command_run(words[0], words[1:])
    if words[0].startswith("-"):
        option = nearby.option(words[0])
        if option:
            raise LookalikeError(f"{words[0]} comes after what it is for: lookalike DATA {option} ...")
        raise LookalikeError(f"unknown option {words[0]}: {did_you_mean(words[0], ['--help', '--version'])}")
    if _is_data(words[0]):
        return _command_run(_AUTO, words)
    raise LookalikeError(f"{words[0]!r} is neither a command nor a folder or file of images: {_meant(words, names)}")


def _command_run(name: str, words: list[str]) -> int:
    with heartbeat(name, words):
        status: int = _command(name).run(words)
    return status


def _meant(words: list[str], names: list[str]) -> str:
    """What was probably meant by words that begin with no command and no images."""
    if words[0] in registry.names("methods"):
        return f"did you mean lookalike train {shlex.join(words)}?"
    visible = [name for name in names if name != _AUTO]
    command = did_you_mean(words[0], visible)
    if command.startswith("did"):
        place = nearby.meant(words[0])
        return f"{command} Or {place}" if place else command
    return nearby.split_by_shell(words) or nearby.meant(words[0]) or command


def _is_data(word: str) -> bool:
    return (
        Path(as_spelt(word)).exists()
        or ":" in word
        or word == "digits"
        or "/" in word
        or any(sign in word for sign in "*?[{")
    )


def command_names() -> list[str]:
    """Every command, by the names of the modules."""
    return sorted(module.name for module in pkgutil.iter_modules(commands.__path__) if module.name[0] != "_")


def _command(name: str) -> ModuleType:
    return importlib.import_module(f"lookalike.cli.commands.{name}")


def overview() -> str:
    """The text of `lookalike --help`: each command with the first line of its module."""
    lines = [
        "lookalike learns what the images of a collection have in common, without labels, and shows it.",
        "",
    ]
    usage = {name: _command(name).USAGE for name in command_names()}
    width = max(map(len, usage.values()))
    order = sorted(usage, key=lambda name: (name != _AUTO, name != "demo", name))
    for name in order:
        summary = (_command(name).__doc__ or "").splitlines()[0].rstrip(".")
        lines.append(f"  {usage[name]:<{width}}  {summary}")
    lines += [
        "",
        "DATA: folders, image files, a list of them (.txt, .csv), an archive (.zip, .tar), FILE.npy, FILE.npz,",
        "digits, mnist:DIR, cifar10:DIR or hf:NAME; several folders, files, lists and archives are one collection.",
        "lookalike COMMAND --help shows a command's options; lookalike --version the version.",
    ]
    return "\n".join(lines)
