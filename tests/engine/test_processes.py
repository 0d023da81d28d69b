"""Several processes give what one gives: gradients, groups, features, accuracies."""

from functools import cache
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from fakes import FakeCollection, noise, tiny_options
from lookalike.clustering.lloyd import lloyd
from lookalike.clustering.whiten import pca_whiten
from lookalike.core import registry
from lookalike.core.comm import SINGLE, Comm, blocks
from lookalike.encoders.base import EncoderSpec, build_encoder
from lookalike.engine.distributed import disagreements, parallel, processes_problems
from lookalike.engine.feature_extractor import FeatureExtractor
from lookalike.engine.shared_norm import SharedBatchNorm, share_norms, unshared
from lookalike.engine.step import average_statistics, forward_backward
from lookalike.evaluate.knn import knn_accuracy
from lookalike.evaluate.linear import linear_accuracy
from lookalike.methods.base import Method
from lookalike.methods.find import find_method
from lookalike.objectives.nt_xent import nt_xent
from processes import in_processes

IMAGES = 12
METHODS = registry.names("methods")
NOT_LESS_THAN = 1e-6  # of the largest: a bias before a norm has no gradient but rounding


def learner(name: str, comm: Comm, norm: str = "group") -> tuple[Method, FeatureExtractor]:
    spec = EncoderSpec("convnet", channels=1, image_size=16, width=4, norm=norm)
    of = FeatureExtractor(build_encoder(spec, 0).double(), spec, (0.5,), (0.25,), "float64")
    options = tiny_options(name, norm=norm)
    method = find_method(name)(of.encoder, options, IMAGES, 5, SINGLE).double()
    method.targets_BH = method.plan(0, FakeCollection(method, IMAGES)).targets_NH  # made alone: all have the same
    method.comm = comm
    return method.train(), of


def step(comm: Comm, name: str, chunk: int | None, norm: str = "group", shared: bool = False) -> dict[str, Tensor]:
    """The loss (a share of it), the gradients and the statistics of a batch divided among the processes."""
    method, of = learner(name, comm, norm)
    if shared:
        share_norms(method, comm)
    share = IMAGES // comm.size
    mine = slice(comm.rank * share, (comm.rank + 1) * share)
    views = noise(method.num_views * IMAGES, seed=1).unflatten(0, (method.num_views, IMAGES))[:, mine].flatten(0, 1)
    parts = [lambda part=part: part for part in views.split(chunk or len(views))]
    network = parallel(method) if comm.size > 1 else None
    loss, _ = forward_backward(method, of, parts, method.targets_BH[mine], chunk is not None, network)
    average_statistics(method)
    found = {key: p.grad for key, p in method.named_parameters() if p.grad is not None}
    return {**found, "loss": comm.sum(loss), **{k: b for k, b in method.named_buffers() if "running" in k}}


def similarity_share(comm: Comm, z_RP: Tensor, ids_R: Tensor, temperature: float, tile: int | None) -> list[Tensor]:
    """Loss and gradient of this process's rows, and the gradient that a naive loss would give them."""
    size = len(z_RP) // comm.size
    mine = slice(comm.rank * size, (comm.rank + 1) * size)
    z = z_RP[mine].clone().requires_grad_()
    loss = nt_xent(z, ids_R[mine], temperature, tile, comm)
    loss.backward()
    # own rows against all columns, the others' rows as constants, and nothing back from the others
    naive = z_RP[mine].clone().requires_grad_()
    every = torch.cat([naive if r == comm.rank else z_RP[r * size : (r + 1) * size] for r in range(comm.size)])
    u = F.normalize(every, dim=1)
    s = (u @ u.T / temperature).fill_diagonal_(-torch.inf)
    equal = (ids_R[:, None] == ids_R).fill_diagonal_(False)
    rows = s.logsumexp(1) - torch.where(equal, s, 0.0).sum(1) / equal.sum(1)
    (rows[mine].sum() / len(z_RP)).backward()
    return [comm.sum(loss.detach()), z.grad, naive.grad]


def clusters(comm: Comm, x_ND: Tensor) -> list[Any]:
    own = comm.local_slice(len(x_ND))
    found = []
    for x in (x_ND, x_ND.double()):
        white = pca_whiten(x[own], 16, comm=comm)
        for spherical in (False, True):
            c = lloyd(white, 20, seed=3, init="random", max_iter=15, spherical=spherical, comm=comm)
            found.append([comm.gather(c.labels_N), c.centroids_KD, c.inertia, c.counts_K, c.iterations])
        found.append([comm.gather(white)])
    return found


def accuracies(comm: Comm, x_ND: Tensor, y_N: Tensor) -> list[float]:
    half = len(x_ND) // 2
    four = (x_ND[:half], y_N[:half], x_ND[half:], y_N[half:])
    return [knn_accuracy(*four, comm=comm), *linear_accuracy(*four, comm=comm)]


def features(comm: Comm, x_NCHW: Tensor) -> Tensor:
    return learner("simclr", comm)[1].features(x_NCHW, comm)


def everything(comm: Comm) -> dict[str, Any]:
    """All that the tests below look at: starting two processes takes longer than the work."""
    found: dict[str, Any] = {}
    for name in METHODS:
        found[f"{name} statistics"] = step(comm, name, None, "batch")
        found[f"{name} shared"] = step(comm, name, None, "batch", shared=True)
    for temperature, tile in ((0.5, None), (0.5, 3), (0.01, 3), (0.1, 64)):
        z, ids = torch.randn(24, 8, generator=torch.Generator().manual_seed(0)).double(), torch.arange(12).repeat(2)
        order = ids.argsort(stable=True)  # both views of an image with one process
        found[f"nt_xent {temperature} {tile}"] = similarity_share(comm, z[order], ids[order], temperature, tile)
    x_ND = torch.randn(1300, 24, generator=torch.Generator().manual_seed(1))
    found["clusters"] = clusters(comm, x_ND)
    y_N = (x_ND[:, 0] > 0).long() + (x_ND[:, 1] > 0.5).long()
    found["accuracies"] = accuracies(comm, x_ND, y_N)
    found["features"] = features(comm, noise(1100, seed=5))
    found["gathered"] = comm.gather(torch.arange(comm.rank + 1))
    found["objects"] = comm.objects({"rank": comm.rank})
    return found


@cache
def alone() -> dict[str, Any]:
    return everything(SINGLE)


@cache
def in_two() -> list[dict[str, Any]]:
    return in_processes(everything)


def furthest(one: dict[str, Tensor], two: dict[str, Tensor]) -> float:
    """The largest difference, relative to the largest value of the same tensor or to a millionth of the largest."""
    least = NOT_LESS_THAN * max(float(value.abs().max()) for value in two.values())
    return max(float((one[k] - two[k]).abs().max() / two[k].abs().max().clamp_min(least)) for k in two)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_statistics_are_the_mean_of_those_of_the_processes(name: str):
    one, two = (found[f"{name} statistics"] for found in in_two())
    assert furthest(one, two) == 0
    assert furthest(one, alone()[f"{name} statistics"]) > 1e-4  # each was normalised by its own batch


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_shared_batchnorm_is_that_of_the_whole_batch(name: str):
    for found in in_two():
        assert furthest(found[f"{name} shared"], alone()[f"{name} statistics"]) <= 1e-10


@pytest.mark.slow
@pytest.mark.parametrize("case", ["0.5 None", "0.5 3", "0.01 3", "0.1 64"])
def test_nt_xent_in_shares(case: str):
    whole_loss, whole, _ = alone()[f"nt_xent {case}"]
    shares = [found[f"nt_xent {case}"] for found in in_two()]
    for loss, _, _ in shares:
        torch.testing.assert_close(loss, whole_loss, rtol=1e-12, atol=0)
    gradient = torch.cat([z for _, z, _ in shares])
    assert float((gradient - whole).abs().max() / whole.abs().max()) <= 1e-12
    # without what the other process's rows say of mine the gradient is another
    naive = torch.cat([z for _, _, z in shares])
    assert float((naive - whole).abs().max() / whole.abs().max()) > 1e-2


@pytest.mark.slow
def test_two_processes_find_the_clusters_of_one():
    for found in in_two():
        for mine, wanted in zip(found["clusters"], alone()["clusters"], strict=True):
            if len(mine) == 1:  # whitened features
                torch.testing.assert_close(mine[0], wanted[0], rtol=1e-5, atol=1e-6)
                continue
            labels, centroids, inertia, counts, iterations = mine
            assert torch.equal(labels, wanted[0])
            torch.testing.assert_close(centroids, wanted[1], rtol=1e-5, atol=1e-6)
            assert inertia == pytest.approx(wanted[2], rel=1e-6)
            assert torch.equal(counts, wanted[3])
            assert iterations == wanted[4]


@pytest.mark.slow
def test_two_processes_measure_what_one_measures():
    for found in in_two():
        assert found["accuracies"] == pytest.approx(alone()["accuracies"], abs=1e-12)
        assert torch.equal(found["features"], alone()["features"])


@pytest.mark.slow
def test_values_are_gathered_in_the_order_of_ranks():
    for found in in_two():
        assert found["gathered"].tolist() == [0, 0, 1]
        assert found["objects"] == [{"rank": 0}, {"rank": 1}]


def test_alone_everything_is_the_identity():
    x = torch.arange(3)
    assert SINGLE.first
    assert torch.equal(SINGLE.sum(x), x)
    assert torch.equal(SINGLE.gather(x), x)
    assert SINGLE.objects(1) == [1]
    assert SINGLE.local_slice(1300) == slice(0, 1300)


@pytest.mark.parametrize(("n", "size"), [(513, 1), (1024, 2), (1797, 2), (1797, 3), (5000, 4)])
def test_every_row_is_one_process_s_own(n: int, size: int):
    rows: list[int] = []
    for rank in range(size):
        comm = Comm()
        comm.rank, comm.size = rank, size
        rows += range(n)[comm.local_slice(n)]
        assert all(block in blocks(n) for block in comm.local_blocks(n))
    assert rows == list(range(n))


def test_too_few_images_or_a_batch_that_does_not_divide_are_told():
    comm = Comm()
    comm.size, comm.rank = 3, 2
    options = tiny_options("simclr", batch_size=256)
    found = list(processes_problems(options, 600, comm))
    assert found == [
        "--batch-size 256 does not divide into the 3 processes of this run",
        "600 images are too few for 3 processes: they divide into 2 blocks of 512",
    ]
    assert not list(processes_problems(options, 600, SINGLE))


def test_what_processes_were_told_must_agree():
    assert not list(disagreements([{"seed": 0, "images": "a"}] * 3))
    (found,) = disagreements([{"seed": 0, "images": "a"}, {"seed": 0, "images": "a"}, {"seed": 0, "images": "b"}])
    assert found == "images is 'b' for process 2 and 'a' for process 0; they must agree"


def test_shared_norms_keep_their_names_and_can_be_alone():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    comm = Comm()
    comm.size = 2
    share_norms(network, comm)
    assert list(network.state_dict()) == list(before)
    assert isinstance(network[1], SharedBatchNorm) and isinstance(network[2][0], SharedBatchNorm)
    assert not dist.is_initialized()
    with unshared(network):
        assert network(noise(2, seed=0).float()).shape == (2, 4, 14, 14)  # nobody is asked
    assert network[1].comm is comm
    network.eval()
    assert network(noise(1, seed=0).float()).shape == (1, 4, 14, 14)
