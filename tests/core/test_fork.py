"""A process that was forked from one that has computed has none of its threads, and waits for none of them."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

SCRIPT = """
    import os, sys, threading, warnings
    import numpy as np, torch
    import lookalike
    from lookalike.clustering import KMeans
    from lookalike.core import process

    warnings.simplefilter("ignore")  # newer versions of Python advise against it all
    torch.set_num_threads(2)

    def in_child(work):
        child = os.fork()
        if child == 0:
            try:
                work()
                os._exit(0)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def free():
        assert not process.after_fork()

    in_child(free)  # before anything was computed, a child has all threads that it wants
    X = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8)
    settings = dict(epochs=1, batch_size=32, width=32, precision="float32", random_state=0)
    estimator = lookalike.SimCLR(**settings).fit(X)
    features = estimator.transform(X)

    def again():
        assert process.after_fork()
        before = torch.get_num_threads()
        assert np.allclose(estimator.transform(X), features, atol=1e-4)
        KMeans(4, n_init=1, random_state=0).fit(features)
        lookalike.SimCLR(**settings, threads=2).fit(X)
        assert torch.get_num_threads() == before == 2

    in_child(again)
    entered, leave = threading.Event(), threading.Event()

    def under_way():
        with process.threads_kept(), process._warnings_lock:
            entered.set()
            leave.wait()

    other = threading.Thread(target=under_way)
    other.start()
    entered.wait()
    in_child(lambda: estimator.transform(X))  # what another thread was about is nothing that a child waits for
    leave.set()
    other.join()
    assert not process.after_fork() and torch.get_num_threads() == 2
    print("went on")
"""


def test_a_forked_process_computes_and_ends(tmp_path: Path):
    """What it asks for are convolutions and products that PyTorch shares out to threads."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert (done.returncode, done.stdout.strip()) == (0, "went on"), done.stderr
