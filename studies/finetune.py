"""Ways to fine-tune with a share of the labels, judged on training images that no label is taken from.

    python studies/finetune.py RUN DATA --seeds 3

The labels are drawn as `lookalike finetune` draws them, with seeds that it does not use by default; accuracy is that of
other training images. The test images are never looked at. Everything not named in a row is the schedule of
`lookalike finetune`: SimCLR's, appendix B.5.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lookalike import api
from lookalike.api.finetuning import Schedule, _settings, batch_of
from lookalike.core import machine, rng
from lookalike.core.options import TrainOptions
from lookalike.data.base import Images, content_order
from lookalike.encoders.heads import projection_head, rectified
from lookalike.engine.checkpoint import load_checkpoint
from lookalike.engine.feature_extractor import FeatureExtractor, load_feature_extractor, placed
from lookalike.engine.run_folder import RunFolder
from lookalike.engine.trial_run import TrialRun
from lookalike.evaluate.linear import fit_linear
from lookalike.evaluate.propagate import propagate
from lookalike.methods.base import Projections, Step
from lookalike.methods.supervised import Options, Supervised

FIRST_SEED = 1000
"""The default of `lookalike finetune` and the figures of docs/results.md are of seeds 0, 1, 2."""


@dataclass(kw_only=True, frozen=True)
class Way:
    """What differs from the usual schedule."""

    scratch: bool = False
    lr: float = 1.0
    """Times the usual rate."""
    head_lr: float = 1.0
    """Of the classifier, times the rate of the rest."""
    probe: bool = False
    """The classifier starts as the linear probe of the few labels' frozen features (Kumar et al. 2022)."""
    frozen_norms: bool = False
    """BatchNorm keeps the statistics of pretraining."""
    projection: bool = False
    """The encoder goes on to the first layer of the projection head (SimCLRv2)."""
    averaged: float = 0.0
    """Share of the steps, the last ones, whose weights are averaged."""
    epochs: float = 1.0
    """Times the usual epochs."""
    spread: str = ""
    """Learn from all other images too, labels spread along features: "frozen" ones, or those that are "tuned"."""
    sure: float = 1.0
    """Share of each class of these that is kept, the surest."""
    passes: int = 2
    """Over all of them, in place of the usual epochs."""
    on: bool = False
    """Go on from the tuned network, not from the run's."""


WAYS = {
    "from scratch": Way(scratch=True),
    "as it is": Way(),
    "probe": Way(probe=True),
    "probe, rate / 4": Way(probe=True, lr=0.25),
    "probe, rate / 4, of the probe / 40": Way(probe=True, lr=0.25, head_lr=0.1),
    "rate * 4": Way(lr=4),
    "from scratch, rate * 4": Way(scratch=True, lr=4),
    "probe, rate * 4": Way(probe=True, lr=4),
    "statistics kept": Way(frozen_norms=True),
    "probe, statistics kept": Way(probe=True, frozen_norms=True),
    "first layer of the projection": Way(projection=True),
    "weights averaged": Way(averaged=0.5),
    "from scratch, twice the epochs": Way(scratch=True, epochs=2),
    "twice the epochs": Way(epochs=2),
    "spread": Way(spread="tuned"),
    "spread, one pass": Way(spread="tuned", passes=1),
    "spread, one pass, gone on from the tuned": Way(spread="tuned", passes=1, on=True),
    "spread, the surer 95 %": Way(spread="tuned", sure=0.95),
    "spread along frozen features": Way(spread="frozen"),
    "spread along frozen features, the surer 95 %": Way(spread="frozen", sure=0.95),
}


class Tried(Supervised):
    """Supervised training by one of the ways."""

    way = Way()
    averages: dict[str, Tensor] | None = None
    done = taken = 0

    def train(self, mode: bool = True) -> Tried:
        super().train(mode)
        for norm in self.encoder.modules() if self.way.frozen_norms else ():
            if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                norm.eval()
        return self

    def param_groups(self) -> dict[str, dict[str, float]]:
        return {"head": {"lr_factor": self.way.head_lr}}

    def on_step_end(self, step: Step) -> None:
        self.done += 1
        if self.done <= (1 - self.way.averaged) * self.options.epochs * (self.n // self.options.batch_size):
            return
        self.taken += 1
        state = {name: value.detach().double() for name, value in self.state_dict().items()}
        if self.averages is None:
            self.averages = state
        else:
            self.averages = {name: old + (state[name] - old) / self.taken for name, old in self.averages.items()}

    def settled(self) -> Tried:
        """With the averaged weights, where those are asked for."""
        if self.averages is not None:
            self.load_state_dict({k: v.to(self.state_dict()[k].dtype) for k, v in self.averages.items()})
        return self


class Further(nn.Module):
    """The encoder and the first layer of its projection head."""

    def __init__(self, encoder: nn.Module, head: nn.Sequential) -> None:
        super().__init__()
        self.encoder, self.layer = encoder, head[:3]  # linear, BatchNorm, ReLU
        self.out_features = head[0].out_features

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.layer(rectified(self.encoder, x_BCHW))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("data", metavar="DATA")
    parser.add_argument("--fraction", type=float, default=0.01)
    parser.add_argument("--judged", type=int, default=10_000, help="training images to judge on")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", default="", help="names of rows, separated by semicolons; default: all")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    machine.prepare(arguments.threads)
    run = RunFolder.existing(arguments.run)
    _, options = api.options_of(run)
    images = api.load_images(arguments.data, options.image_size)
    names = [name for name in arguments.ways.split(";") if name] or list(WAYS)
    found: dict[str, list[float]] = {name: [] for name in names}
    for seed in range(FIRST_SEED, FIRST_SEED + arguments.seeds):
        rows = api.training_rows(images, True, arguments.fraction, seed)
        judged = others(images, rows, arguments.judged)
        for name in names:
            found[name].append(accuracy(WAYS[name], run, options, images, arguments.fraction, rows, judged, seed))
            print(f"seed {seed}, {name}: {found[name][-1]:.4f}", file=sys.stderr, flush=True)
    print("| way | accuracy | of each seed |\n|---|---|---|")
    for name, each in found.items():
        print(f"| {name} | {statistics.fmean(each):.4f} | {', '.join(f'{value:.4f}' for value in each)} |")


def others(images: Images, rows: Tensor, most: int) -> Tensor:
    """Learning rows without those of `rows`, so many of them."""
    assert images.evaluation is not None
    learn = images.evaluation[0]
    learn = learn[~torch.isin(learn, rows)]
    return learn[rng.permutation(0, "study/judged", 0, len(learn))[:most]].sort().values


def accuracy(
    way: Way,
    run: RunFolder,
    options: TrainOptions,
    images: Images,
    fraction: float,
    rows: Tensor,
    judged: Tensor,
    seed: int,
) -> float:
    """Accuracy on the rows `judged` of a network trained with the labels of `rows`."""
    usual = _settings(options, Schedule(seed=seed), fraction, len(rows))
    if way.scratch:
        backbone = api.untrained_backbone(dataclasses.replace(options, seed=seed), images, "cpu")
    else:
        backbone = load_feature_extractor(run.encoder, "cpu")
    if way.projection:
        backbone = dataclasses.replace(backbone, encoder=Further(backbone.encoder, projection(run, options, backbone)))
    lesson, taught, truth = images, rows, images.labels
    if way.spread:
        tuned = backbone if way.spread == "frozen" else trained(way, usual, backbone, images, rows)[0]
        assert images.evaluation is not None
        some = content_order(images, images.evaluation[0])
        some = some[~torch.isin(some, judged)]
        lesson, taught = spread(way, tuned.features(images.center_crops.take(some)), images, rows, some)
        usual = dataclasses.replace(usual, epochs=way.passes, batch_size=batch_of(len(taught)))
        backbone = tuned if way.on else backbone
    _, classifier = trained(way, usual, backbone, lesson, taught)
    predicted = classifier.features(images.center_crops.take(judged)).argmax(1)
    assert truth is not None
    return float((predicted == truth[judged]).double().mean())


def trained(
    way: Way, usual: Options, backbone: FeatureExtractor, images: Images, rows: Tensor
) -> tuple[FeatureExtractor, FeatureExtractor]:
    """The encoder and the classifier after training with the labels of `rows`; the backbone is left alone."""
    assert usual.lr is not None
    settings: Options = dataclasses.replace(
        usual,
        lr=usual.lr * way.lr,
        epochs=round(usual.epochs * way.epochs),
        micro_batch=str(usual.batch_size),
        device="cpu",
    )
    learner = placed(Tried(backbone.encoder, settings, len(rows), len(images.classes)), "cpu")
    learner.way, learner.n = way, len(rows)  # type: ignore[misc]  # of the study alone
    if way.probe:
        start(learner, backbone, images, rows)
    trainer = TrialRun(learner, backbone, settings, images, rows)
    trainer.run_silently()
    tried = trainer.method
    assert isinstance(tried, Tried)
    classifier = dataclasses.replace(trainer.backbone, encoder=Projections(tried.settled()))
    return trainer.backbone, classifier


def spread(way: Way, features_ND: Tensor, images: Images, rows: Tensor, some: Tensor) -> tuple[Images, Tensor]:
    """Images with the labels that are spread from `rows`, and those to learn from: `some`, whose features these are."""
    assert images.labels is not None
    known = torch.isin(some, rows).nonzero()[:, 0]
    found = propagate(features_ND, known, images.labels[some[known]], len(images.classes))
    guess = found.argmax(1)
    right = float((guess == images.labels[some]).double().mean())
    print(f"  {right:.4f} of the spread labels are right", file=sys.stderr)
    if way.sure < 1:  # the surest of each class
        kept = torch.zeros(len(some), dtype=torch.bool)
        for code in range(len(images.classes)):
            of_it = (guess == code).nonzero()[:, 0]
            kept[of_it[found[of_it, code].argsort(descending=True)[: round(way.sure * len(of_it))]]] = True
        kept[known] = True
        some, guess = some[kept], guess[kept]
    labels = images.labels.clone()
    labels[some] = guess
    return dataclasses.replace(images, labels=labels, known_digests=images.digests), some


@torch.no_grad()
def start(learner: Supervised, backbone: FeatureExtractor, images: Images, rows: Tensor) -> None:
    """Give the classifier the weights of the probe, which is of standardised features."""
    assert images.labels is not None
    h_ND = torch.relu(backbone.features(images.center_crops.take(rows)))  # does nothing to features that were rectified
    probe = fit_linear(h_ND, images.labels[rows])
    weight_KD = probe.weight_KD / probe.scale_D
    learner.head[0].weight.copy_(weight_KD)
    learner.head[0].bias.copy_(probe.bias_K - weight_KD @ probe.mean_D)


def projection(run: RunFolder, options: TrainOptions, backbone: FeatureExtractor) -> nn.Sequential:
    """The projection head that a run was trained with, from its checkpoint."""
    state = load_checkpoint(run.checkpoint)["method"]
    layers = {name.removeprefix("head."): value for name, value in state.items() if name.startswith("head.")}
    head = projection_head(
        backbone.encoder.out_features,  # type: ignore[arg-type]  # an int on every encoder
        depth=options.head_depth,  # type: ignore[attr-defined]  # of SimCLR
        width=options.head_width,  # type: ignore[attr-defined]
        out_features=options.head_size,  # type: ignore[attr-defined]
        norm=options.head_norm,  # type: ignore[attr-defined]
        seed=0,
    )
    head.load_state_dict(layers)
    return head


if __name__ == "__main__":
    main()
