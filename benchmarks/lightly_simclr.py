"""The peer of train_cpu.py: SimCLR as lightly's example writes it, in an environment that has lightly.

    python lightly_simclr.py '{"task": "rate" or "train", ...}'

PIL transforms in the workers of a DataLoader, two forward passes, NT-Xent at temperature 0.5 and SGD at rate 0.06, in
float32. Only the network is ours (its code, from PYTHONPATH), so that both train the same one, and the head is as wide.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from common import serve
from lookalike.core.optional import need_vision
from lookalike.encoders.base import EncoderSpec, build_encoder

NTXentLoss = need_vision("lightly.loss", __file__).NTXentLoss
SimCLRProjectionHead = need_vision("lightly.models.modules", __file__).SimCLRProjectionHead
SimCLRTransform = need_vision("lightly.transforms", __file__).SimCLRTransform

WORKERS = 2
AHEAD = 2 * WORKERS  # batches that the DataLoader has ready beyond what was asked for


class Pictures(Dataset[tuple[list[Tensor], int]]):
    """Images of a .npy file [N, H, W] or of a folder, opened one by one, two views of each."""

    def __init__(self, source: str, transform: Callable[[Image.Image], list[Tensor]]) -> None:
        self.transform = transform
        self.rows = np.load(source) if source.endswith(".npy") else None
        self.paths = [] if self.rows is not None else sorted(p for p in Path(source).rglob("*") if p.is_file())

    def __len__(self) -> int:
        return len(self.paths) if self.rows is None else len(self.rows)

    def __getitem__(self, i: int) -> tuple[list[Tensor], int]:
        if self.rows is not None:
            return self.transform(Image.fromarray(self.rows[i])), 0
        with Image.open(self.paths[i]) as file:
            return self.transform(file.convert("RGB")), 0


class SimCLR(nn.Module):
    """The encoder and lightly's head."""

    def __init__(self, case: dict[str, Any]) -> None:
        super().__init__()
        self.backbone = build_encoder(EncoderSpec("convnet", case["channels"], case["side"], case["width"]), seed=0)
        features = int(self.backbone.out_features)  # type: ignore[arg-type]  # an int on every encoder
        self.projection_head = SimCLRProjectionHead(features, case["head"], 128)

    def forward(self, x: Tensor) -> Tensor:
        return self.projection_head(self.backbone(x).flatten(start_dim=1))


class Training:
    """Steps of the example's loop, one after the other, over as many epochs as they take."""

    def __init__(self, case: dict[str, Any]) -> None:
        normalize = {"mean": case["mean"], "std": case["std"]}
        transform = SimCLRTransform(input_size=case["side"], gaussian_blur=0.0, normalize=normalize)
        self.data = DataLoader(
            Pictures(case["source"], transform),
            batch_size=case["batch"],
            shuffle=True,
            drop_last=True,
            num_workers=WORKERS,
        )
        self.model = SimCLR(case)
        self.criterion = NTXentLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.06)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in itertools.count():
            for (x0, x1), _ in self.data:
                yield x0, x1

    def step(self, x0: Tensor, x1: Tensor) -> float:
        loss = self.criterion(self.model(x0), self.model(x1))
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(loss.detach())


def rate(case: dict[str, Any]) -> None:
    """Serve rounds of `steps` steps; what was made ready before a round is used up before its clock starts."""
    training = Training(case)
    batches = training.batches()

    def work() -> dict[str, float]:
        for _ in range(AHEAD):
            training.step(*next(batches))
        begun = time.perf_counter()
        for _ in range(case["steps"]):
            training.step(*next(batches))
        return {"seconds": time.perf_counter() - begun}

    serve(work)


def train(case: dict[str, Any]) -> None:
    """Train until `deadline` (of time.time()), then write the encoder's weights to `out` and say how many steps."""
    training, losses = Training(case), []
    for x0, x1 in training.batches():
        losses.append(training.step(x0, x1))
        if time.time() > case["deadline"]:
            break
    torch.save(training.model.backbone.state_dict(), case["out"])
    print(json.dumps({"steps": len(losses), "epochs": len(losses) / len(training.data), "loss": losses[-1]}))


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    {"rate": rate, "train": train}[asked["task"]](asked)
