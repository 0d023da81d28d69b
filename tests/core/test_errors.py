"""To stop is no error: it passes by those who catch errors, and looks like what Python itself raises."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys

import pytest

from lookalike.core.errors import Interrupted, LookalikeError

UNCAUGHT = "from lookalike.core.errors import Interrupted; raise Interrupted('the state is saved', {})"


@pytest.mark.parametrize(
    ("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit), (signal.SIGUSR1, SystemExit)]
)
def test_a_stop_is_what_the_signal_makes_in_python(number: int, kind: type[BaseException]):
    stop = Interrupted("the state is saved", number)
    assert isinstance(stop, kind) and isinstance(stop, Interrupted)
    assert not isinstance(stop, Exception) and not isinstance(stop, LookalikeError)
    assert (str(stop), stop.signal_number, stop.exit_status) == ("the state is saved", number, 128 + number)
    again = pickle.loads(pickle.dumps(stop))  # as from a process of joblib's
    assert type(again) is type(stop)
    assert (str(again), again.signal_number, again.exit_status) == (str(stop), number, 128 + number)


def test_uncaught_sigterm_ends_the_program_with_its_status_and_no_traceback():
    done = subprocess.run(
        [sys.executable, "-c", UNCAUGHT.format(int(signal.SIGTERM))], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGTERM, "", "")
