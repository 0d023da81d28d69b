"""A few labels spread over learned features say more than the same labels do alone, in the features and in pixels."""

from pathlib import Path

import pytest
import torch

from lookalike import api
from lookalike.data.base import Images
from lookalike.evaluate.baselines import pixel_features
from lookalike.evaluate.few_shot import drawn, knn_of_few, linear_of_few
from lookalike.evaluate.propagate import propagate
from lookalike.evaluate.typiclust import typical_rows
from lookalike.methods.simclr import Options

N = 2500  # images, of which the network learns without labels
DRAWINGS = 5


@pytest.fixture(scope="module")
def mnist(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Images, torch.Tensor]:
    """Some training images of MNIST, and what a short training of SimCLR makes of them."""
    if not (shared_data / "mnist").is_dir():
        pytest.skip(f"no MNIST in {shared_data}")
    images = api.load_images(f"mnist:{shared_data / 'mnist'}")
    images = images.of_rows(images.training[:N])
    out = tmp_path_factory.mktemp("mnist") / "run"
    said = {"epochs": 8, "batch_size": 128, "width": 8, "threads": 1, "snapshots": False, "report": False}
    options = Options(data="mnist", out=str(out), check_every=8, **said)
    run = api.train("simclr", options, {"check_every", *said}, images=images)
    return images, api.load_feature_extractor(run.encoder, "cpu").features(images.center_crops)


@pytest.mark.slow
def test_propagation_on_mnist_beats_its_seeds(mnist: tuple[Images, torch.Tensor]):
    images, x_ND = mnist
    pixels_ND = pixel_features(images.center_crops)
    reached: dict[str, list[float]] = {"spread": [], "nearest": [], "linear": [], "pixels, nearest": [], "pixels": []}
    for seed in range(DRAWINGS):
        known = drawn(images.labels, torch.arange(N), 3, seed)
        rest = torch.ones(N, dtype=torch.bool)
        rest[known] = False
        codes = images.labels[known]
        guesses = {
            "spread": propagate(x_ND, known, codes, 10).argmax(1),
            "nearest": knn_of_few(x_ND[known], codes, x_ND, x_ND),
            "linear": linear_of_few(x_ND[known], codes, x_ND, x_ND),
            "pixels, nearest": knn_of_few(pixels_ND[known], codes, pixels_ND, pixels_ND),
            "pixels": linear_of_few(pixels_ND[known], codes, pixels_ND, pixels_ND),
        }
        for name, guess in guesses.items():
            reached[name].append(float((guess == images.labels)[rest].double().mean()))
    mean = {name: sum(each) / DRAWINGS for name, each in reached.items()}
    assert mean["spread"] > max(mean["nearest"], mean["linear"]) + 0.03, mean
    assert mean["spread"] > max(mean["pixels, nearest"], mean["pixels"]) + 0.15, mean


@pytest.mark.slow
def test_images_that_were_selected_are_worth_more_than_random_ones(mnist: tuple[Images, torch.Tensor]):
    images, x_ND = mnist
    none = torch.empty(0, dtype=torch.int64)

    def reached(known: torch.Tensor) -> float:
        found = propagate(x_ND, known, images.labels[known], 10).argmax(1)
        rest = torch.ones(N, dtype=torch.bool)
        rest[known] = False
        return float((found == images.labels)[rest].double().mean())

    generator = torch.Generator().manual_seed(0)
    chosen = [reached(typical_rows(x_ND, 20, none, seed)) for seed in range(DRAWINGS)]
    random = [reached(torch.randperm(N, generator=generator)[:20]) for _ in range(2 * DRAWINGS)]
    assert sum(chosen) / len(chosen) > sum(random) / len(random) + 0.03, (chosen, random)
