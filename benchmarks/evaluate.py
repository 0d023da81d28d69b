"""kNN and linear probe of frozen features: ours, scikit-learn, faiss, and the floor of the matrix products.

    python benchmarks/evaluate.py [--rounds 5] [--tiny] [--write]

50,000 rows to learn from and 10,000 to be measured on, 512 features, 10 classes that overlap (made up, seed fixed).
Everybody has the same rows and as many threads as there are cores. For kNN everybody looks for the 20 nearest by
cosine, exactly, and lets them vote (ours computes only the cosines that a bound does not rule out, so that it can
be below the floor, which is the product of all); for the probe everybody fits multinomial logistic regression to
standardised features. Ours chooses the penalty among four on a tenth of the rows, which are five fits; scikit-learn is
timed with the one penalty that ours chose, so its row is of one fit, and says what ours takes for one as well.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from typing import Any

from common import Missing, Table, Together, Worker, environment, here, in_turns, serve, spread, worker

SIZES = (50_000, 10_000, 512, 10)
TINY = (600, 100, 16, 4)
K, TEMPERATURE = 20, 0.1  # of lookalike.evaluate.knn, which a peer's environment does not have
REACH = 8.0  # seconds, kNN and probe, on 2 cores


def rows(n: int, q: int, d: int, classes: int) -> tuple[Any, Any, Any, Any]:
    """Features as networks give them: a few directions carry most, all above zero. float32 [N, D], int64 [N]."""
    import numpy as np

    draw = np.random.default_rng(0)
    hidden = min(64, d)
    label = draw.integers(0, classes, n + q)
    kinds = draw.normal(size=(classes * 8, hidden))  # a class comes in eight kinds
    z = kinds[label * 8 + draw.integers(0, 8, n + q)] + 1.2 * draw.normal(size=(n + q, hidden))
    mix = draw.normal(size=(hidden, d)) * np.arange(1, hidden + 1)[:, None] ** -0.5
    x = np.maximum(z @ mix + 0.3 * draw.normal(size=(n + q, d)), 0).astype(np.float32)
    return x[:n], label[:n].astype(np.int64), x[n:], label[n:].astype(np.int64)


# Workers


def ours(what: str, sizes: tuple[int, int, int, int]) -> None:
    import torch

    from lookalike.core import machine
    from lookalike.evaluate.knn import knn_accuracy
    from lookalike.evaluate.linear import fit_linear, linear_accuracy

    machine.prepare(None)
    x, y, new, truth = (torch.from_numpy(part) for part in rows(*sizes))

    def knn() -> dict[str, float]:
        return {"accuracy": knn_accuracy(x, y, new, truth)}

    def probe() -> dict[str, float]:
        accuracy, penalty = linear_accuracy(x, y, new, truth)
        return {"accuracy": accuracy, "penalty": penalty}

    def single() -> dict[str, float]:
        probe = fit_linear(x, y, penalties=(float(what.split("=")[1]),))
        return {"accuracy": float((probe.predict(new) == truth).double().mean())}

    serve({"knn": knn, "probe": probe}.get(what, single))


def scikit_learn(what: str, sizes: tuple[int, int, int, int]) -> None:
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    x, y, new, truth = rows(*sizes)

    def knn() -> dict[str, float]:
        def weigh(distance: Any) -> Any:
            return np.exp(-distance / TEMPERATURE)

        found = KNeighborsClassifier(K, metric="cosine", algorithm="brute", weights=weigh, n_jobs=-1).fit(x, y)
        return {"accuracy": float(found.score(new, truth))}

    def probe() -> dict[str, float]:
        mean, scale = x.mean(0), x.std(0)
        scale = np.where(scale > 0, scale, 1)
        penalty = float(what.split("=")[1])
        fit = LogisticRegression(C=1 / (len(x) * penalty), max_iter=1000).fit((x - mean) / scale, y)
        return {"accuracy": float(fit.score((new - mean) / scale, truth)), "iterations": int(fit.n_iter_[0])}

    serve(knn if what == "knn" else probe, warm=0 if what.startswith("probe=") else 1)


def faiss_flat(what: str, sizes: tuple[int, int, int, int]) -> None:
    import faiss
    import numpy as np

    x, y, new, truth = rows(*sizes)

    def knn() -> dict[str, float]:
        bank, query = x.copy(), new.copy()
        faiss.normalize_L2(bank)
        faiss.normalize_L2(query)
        index = faiss.IndexFlatIP(bank.shape[1])
        index.add(bank)
        cosine, row = index.search(query, K)
        votes = np.zeros((len(query), int(y.max()) + 1))
        for k in range(K):
            np.add.at(votes, (np.arange(len(query)), y[row[:, k]]), np.exp((cosine[:, k] - cosine[:, 0]) / TEMPERATURE))
        return {"accuracy": float((votes.argmax(1) == truth).mean())}

    serve(knn)


def floor(what: str, sizes: tuple[int, int, int, int]) -> None:
    """The matrix products alone: for kNN all cosines, for the probe the products of a single evaluation of its loss."""
    import torch

    from lookalike.core import machine

    machine.prepare(None)
    n, q, d, classes = sizes
    x, new, w = torch.randn(n, d), torch.randn(min(q, 1024), d), torch.randn(classes, d)
    p = torch.randn(n, classes)
    scores = torch.empty(len(new), n)

    def knn() -> dict[str, float]:
        torch.mm(new, x.T, out=scores)
        return {"share": len(new) / q}

    def evaluation() -> dict[str, float]:
        return {"check": float((x @ w.T).sum() + (p.T @ x).sum())}

    serve(knn if what == "knn" else evaluation)


WORKERS = {"ours": ours, "scikit-learn": scikit_learn, "faiss": faiss_flat, "floor": floor}


# The benchmark


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="small rows, in one process, and nothing is installed")
    parser.add_argument("--write", action="store_true", help="put the table into docs/results.md")
    parser.add_argument("--worker", nargs=2, metavar=("WHO", "WHAT"), help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    sizes = TINY if args.tiny else SIZES
    if args.worker:
        WORKERS[args.worker[0]](args.worker[1], sizes)
        return
    table = Table("evaluate", ("what", "who", "seconds: median (range)", "of ours", "accuracy"))
    tiny = ["--tiny"] if args.tiny else []
    python: dict[str, Any] = {}
    peers = {} if args.tiny else {"faiss": ["faiss-cpu", "numpy"]}
    for name, packages in peers.items():
        try:
            python[name] = environment(name, packages)
        except Missing as reason:
            table.row("kNN", name, str(reason))

    def timed(what: str, names: dict[str, str], rounds: int) -> dict[str, list[dict[str, Any]]]:
        workers: dict[str, Worker | Together] = {}
        try:
            for name, told in names.items():
                who = name.split(",")[0]
                command = here("evaluate.py", "--worker", who, told, *tiny, python=python.get(who, sys.executable))
                try:
                    workers[name] = worker(command, together=args.tiny)
                except Missing as reason:
                    table.row(what, name, str(reason))
            return in_turns(workers, rounds, pause=0.0 if args.tiny else 0.3)
        finally:
            for each in workers.values():
                each.close()

    def show(what: str, found: dict[str, list[dict[str, Any]]], of: str = "ours") -> dict[str, float]:
        medians = {name: statistics.median(turn["seconds"] for turn in turns) for name, turns in found.items()}
        for name, turns in found.items():
            accuracy = f"{turns[-1]['accuracy']:.4f}" if "accuracy" in turns[-1] else ""
            ratio = f"{medians[name] / medians[of]:.2f}"
            table.row(what, name, spread([turn["seconds"] for turn in turns], 2), ratio, accuracy)
        table.data[what] = found
        return medians

    names = {"ours": "knn", "scikit-learn": "knn", **({"faiss": "knn"} if "faiss" in python else {}), "floor": "knn"}
    found = timed("kNN", names, args.rounds)
    for turn in found.get("floor", []):
        turn["seconds"] /= turn["share"]
    near = show("kNN", found)
    chosen = timed("probe", {"ours": "probe", "floor": "evaluation"}, args.rounds)
    once = statistics.median(turn["seconds"] for turn in chosen.pop("floor"))
    probe = show("probe, the penalty chosen of four", chosen)
    penalty = chosen["ours"][-1]["penalty"]
    alone = {"ours": f"single={penalty}", "scikit-learn": f"probe={penalty}"}
    show(f"probe, penalty {penalty:g}", timed("probe", alone, args.rounds))
    total = near["ours"] + probe["ours"]
    table.row("kNN + probe", "ours", f"{total:.2f}", "", "" if args.tiny else f"to reach: {REACH:g} s on 2 cores")
    n, q, d, classes = sizes
    table.note(
        f"{n:,} rows to learn from, {q:,} to be measured on, {d} features, {classes} classes. The floor of kNN is "
        f"that of whoever computes all cosines, their matrix product ({2 * n * q * d / 1e9:,.0f} GFLOP, at "
        f"{2 * n * q * d / 1e9 / near['floor']:,.0f} GFLOP/s); that of one evaluation of the probe's loss and slope, "
        f"its two products, {once:.3f} s."
    )
    print(f"kept in {table.save(args.write)}")


if __name__ == "__main__":
    main()
