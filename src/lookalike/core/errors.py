"""The errors a person sees: one message that says what was found, where, and what to do."""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable

from lookalike.core.words import counted


class LookalikeError(Exception):
    """Something the user can put right; the command line ends with exit status 2."""

    exit_status = 2


class MachineError(LookalikeError):
    """A fault of the machine (disk full, no permission); exit status 1."""

    exit_status = 1


class Interrupted(BaseException):
    """A signal asked the run to stop; it stopped resumably.

    To stop is no error: a caller who catches `Exception`, as scikit-learn's searches do, must not go on with the next
    fit. `Interrupted(message, number)` is a `KeyboardInterrupt` too for SIGINT and a `SystemExit` for any other signal,
    so that a program which does not catch it ends as the signal would have ended it.

    Attributes:
        signal_number: of the signal.
        exit_status: 128 + signal_number, as a shell says.
    """

    def __new__(cls, message: str, signal_number: int) -> Interrupted:
        kind = KeyboardInterrupted if signal_number == signal.SIGINT else Terminated
        return BaseException.__new__(kind if cls is Interrupted else cls, message, signal_number)

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_status = 128 + signal_number

    def __reduce__(self) -> tuple[type[Interrupted], tuple[str, int]]:
        """Processes of joblib hand their errors over pickled."""
        return type(self), (str(self), self.signal_number)


class KeyboardInterrupted(Interrupted, KeyboardInterrupt):
    """Stopped by SIGINT."""


class Terminated(Interrupted, SystemExit):
    """Stopped by SIGTERM or another signal; uncaught, it ends the program with `exit_status` and no traceback."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message, signal_number)
        self.code = self.exit_status


class PeerError(LookalikeError):
    """Another process of this job met an error, and tells it itself."""


class ConfigurationError(LookalikeError):
    """Every mistake found in a configuration, reported together."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = counted(count, "mistake")
        super().__init__(f"{head} in the configuration:\n" + "\n".join(f"  - {p}" for p in self.problems))


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """A hint naming the nearest valid name, or all of them where none is near."""
    valid = list(valid)
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return "valid: " + ", ".join(valid) if valid else ""
