"""The errors a person sees: one message that says what was found, where, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LookalikeError(Exception):
    """Something the user can put right; the command line ends with exit status 2."""

    exit_status = 2


class MachineError(LookalikeError):
    """A fault of the machine (disk full, no permission); exit status 1."""

    exit_status = 1


class Interrupted(LookalikeError):
    """A signal asked the run to stop; it stopped resumably. Exit status 128 + signal number."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_status = 128 + signal_number


class Elsewhere(LookalikeError):
    """Another process of this job found something wrong, and says so itself."""


class ConfigurationError(LookalikeError):
    """Every mistake found in a configuration, reported together."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 mistake" if count == 1 else f"{count} mistakes"
        super().__init__(f"{head} in the configuration:\n" + "\n".join(f"  - {p}" for p in self.problems))


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """A hint naming the nearest valid name, or all of them where none is near."""
    valid = list(valid)
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return "valid: " + ", ".join(valid) if valid else ""
