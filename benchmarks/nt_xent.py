"""NT-Xent forward and backward: seconds and memory beside lightly's loss, plain PyTorch and the matrix products alone.

    python benchmarks/nt_xent.py [--batches 256 ... 8192] [--rounds 5] [--tiny] [--write]

Rows are twice the batch, 128 numbers each, float32, on the CPU; every number is the loss and its gradient with respect
to the rows. "plain" is the formula as one writes it first and as solo-learn has it: the whole matrix of exponentials,
and two masks for the positives and the negatives. Whoever is measured is a process of its own; rounds take turns, and
small batches are done several times in a round. Memory is the largest resident size less that before the loss, taken
on the first batch of that size. The floor is 4 R^2 P operations (each similarity once forward and once backward for
both of its rows, and two products for the gradient) at the rate of a product of 2048 x 2048 on this machine. All losses
must agree, or the benchmark fails.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import common

SIZE = 128  # numbers of a projection
TEMPERATURE = 0.5
PAIR_BYTES = 30  # of a pair of rows, the most that a peer takes
LIGHTLY = ("torch", "numpy", "pillow", "tqdm"), ("lightly==1.6.0", "torchvision")
AGREE = 1e-4  # relative; float32 sums of up to 16,384 terms in different orders


def status(key: str) -> float:
    """MiB of this process: "VmRSS" now, "VmHWM" at its largest."""
    line = next(x for x in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if x.startswith(key))
    return int(line.split()[1]) / 1024


def ours() -> Callable[[Any], Any]:
    """This project's loss of rows [2B, P], view after view."""
    import torch

    from lookalike.core import machine
    from lookalike.objectives.nt_xent import nt_xent

    machine.prepare(None)
    return lambda z_RP: nt_xent(z_RP, torch.arange(len(z_RP) // 2).repeat(2), TEMPERATURE)


def plain() -> Callable[[Any], Any]:
    """The formula in plain PyTorch."""
    import torch

    def loss(z_RP: Any) -> Any:
        u_RP = torch.nn.functional.normalize(z_RP, dim=1)
        image_R = torch.arange(len(z_RP) // 2).repeat(2)
        e_RR = torch.exp(u_RP @ u_RP.T / TEMPERATURE)
        same_RR = image_R[:, None] == image_R
        other_RR = ~same_RR
        same_RR.fill_diagonal_(False)
        positive_R = (e_RR * same_RR).sum(1)
        return -torch.log(positive_R / (positive_R + (e_RR * other_RR).sum(1))).mean()

    return loss


def lightly() -> Callable[[Any], Any]:
    """lightly's NTXentLoss; of torchvision, which it imports, the pure-Python part does."""
    from lookalike.core.optional import need_vision

    criterion = need_vision("lightly.loss", "this row").NTXentLoss(temperature=TEMPERATURE)
    return lambda z_RP: criterion(*z_RP.chunk(2))


def worker(who: str, batch: int, pairs: int) -> None:
    """Serve rounds of one loss at one batch, done so often that it is about so many pairs of rows."""
    loss_of = {"ours": ours, "plain": plain, "lightly": lightly}[who]()
    import torch

    def rows(n: int) -> Any:
        return torch.randn(n, SIZE, generator=torch.Generator().manual_seed(0)).requires_grad_()

    loss_of(rows(64)).backward()  # what libraries set up when first used is not the loss's
    z_RP = rows(2 * batch)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forget what the imports took at their largest
    before = status("VmRSS")
    loss = loss_of(z_RP)
    loss.backward()
    about = {"extra_mib": status("VmHWM") - before, "loss": float(loss.detach())}
    times = max(1, pairs // (2 * batch) ** 2)

    def work() -> dict[str, float]:
        for _ in range(times):
            z_RP.grad = None
            loss_of(z_RP).backward()
        return {"times": times}

    common.serve(work, about)


def rate(n: int) -> float:
    """Operations a second of an n^3 product in float32, the best of five."""
    import torch

    a, seconds = torch.randn(n, n), []
    for _ in range(6):
        begun = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - begun)
    return 2 * n**3 / min(seconds[1:])


def measure(
    batch: int, who: Mapping[str, Path | None], rounds: int, pairs: int, together: bool = False
) -> tuple[dict[str, Any], dict[str, str]]:
    """What each took at this batch: {name: {"seconds": [...], "extra_mib", "loss"}}, and why others are missing."""
    from lookalike.core.machine import available_bytes, size_words

    workers: dict[str, common.Worker | common.Together] = {}
    missing: dict[str, str] = {}
    needed = PAIR_BYTES * (2 * batch) ** 2
    try:
        for name, python in who.items():
            if name != "ours" and needed > 0.8 * available_bytes():
                missing[name] = f"not measured: up to {size_words(needed)} are not free"
                continue
            command = ["nt_xent.py", "--worker", name, "--batch", str(batch), "--pairs", str(pairs)]
            try:
                there = common.here(*command, **({"python": python} if python else {}))
                workers[name] = common.worker(there, together)
            except common.Missing as error:
                missing[name] = f"not measured: {error}"
        answers = common.in_turns(workers, rounds)
        found = {
            name: {**workers[name].about, "seconds": [a["seconds"] / a["times"] for a in given]}
            for name, given in answers.items()
        }
    finally:
        for each in workers.values():
            each.close()
    return found, missing


def main(words: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="*", default=[256, 512, 1024, 2048, 4096, 8192])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="a small batch, in one process, no peer installed")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--worker", choices=["ours", "plain", "lightly"], help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--pairs", type=int, default=2**24, help="of rows in a round, at the least")
    args = parser.parse_args(words)
    if args.worker:
        worker(args.worker, args.batch, args.pairs)
        return
    who: dict[str, Path | None] = {"ours": None, "plain": None}
    absent = "not measured: --tiny installs no peer"
    if args.tiny:
        args.batches, args.rounds, args.pairs = [64], 2, 2**15
    else:
        try:
            who["lightly"] = common.environment("lightly", *LIGHTLY)
        except common.Missing as error:
            absent = f"not measured: {error}"
    flops = rate(128 if args.tiny else 2048)
    columns = ["batch", "ours, ms", "lightly, ms", "plain, ms", "lightly / ours", "plain / ours"]
    table = common.Table("nt_xent", [*columns, "floor, ms", "ours / floor", "MiB: ours / lightly / plain"])
    table.data = {"product_gflops": flops / 1e9, "batches": {}}
    for batch in args.batches:
        found, missing = measure(batch, who, args.rounds, args.pairs, together=args.tiny)
        table.data["batches"][batch] = found
        row(table, batch, found, {"lightly": absent, **missing}, 4 * (2 * batch) ** 2 * SIZE / flops)
    table.note(f"Floor at {flops / 1e9:.0f} GFLOP/s. Median and range of {args.rounds} rounds.")
    print(table.save(args.write))


def row(table: common.Table, batch: int, found: dict[str, Any], missing: dict[str, str], floor: float) -> None:
    """Add the row of a batch.

    Raises:
        SystemExit: the losses differ.
    """
    losses = {name: each["loss"] for name, each in found.items()}
    if any(not math.isclose(loss, losses["ours"], rel_tol=AGREE) for loss in losses.values()):
        raise SystemExit(f"batch {batch}: the losses differ: {losses}")
    middle = {name: statistics.median(each["seconds"]) for name, each in found.items()}

    def took(name: str) -> str:
        if name not in found:
            return missing[name]
        digits = 0 if middle[name] > 0.1 else 1
        return common.spread([1e3 * s for s in found[name]["seconds"]], digits)

    def times(name: str) -> str:
        return f"{middle[name] / middle['ours']:.2f}" if name in middle else ""

    memory = " / ".join(f"{found[n]['extra_mib']:,.0f}" if n in found else "-" for n in ("ours", "lightly", "plain"))
    timings = [took("ours"), took("lightly"), took("plain"), times("lightly"), times("plain")]
    table.row(f"{batch:,}", *timings, f"{1e3 * floor:.1f}", f"{middle['ours'] / floor:.2f}", memory)


if __name__ == "__main__":
    main()
