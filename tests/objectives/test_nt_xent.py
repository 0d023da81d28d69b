"""The NT-Xent loss equals equation 1 of the SimCLR paper, in value, gradient and invariances."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lookalike.objectives.nt_xent import nt_xent


def rows(a_NP, b_NP) -> tuple[Tensor, Tensor]:
    """Views stacked as the released code does, and their ids."""
    z_RP = torch.cat([torch.as_tensor(a_NP, dtype=torch.float64), torch.as_tensor(b_NP, dtype=torch.float64)])
    return z_RP, torch.arange(len(a_NP)).repeat(2)


def random_rows(n: int, views: int, dim: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n * views, dim, dtype=torch.float64, generator=generator), torch.arange(n).repeat(views)


def circle(*degrees: float) -> Tensor:
    angle_N = torch.tensor(degrees, dtype=torch.float64) * math.pi / 180
    return torch.stack([angle_N.cos(), angle_N.sin()], 1)


def anchor_losses(z_RP: Tensor, ids_R: Tensor, tau: float) -> list[float]:
    """Equation 1 by loops over Python numbers: anchor, negative, coordinate."""
    z, ids = z_RP.tolist(), ids_R.tolist()

    def similarity(i: int, k: int) -> float:
        dot = sum(p * q for p, q in zip(z[i], z[k], strict=True))
        return dot / math.sqrt(sum(p * p for p in z[i])) / math.sqrt(sum(q * q for q in z[k]))

    losses = []
    for i in range(len(z)):
        denominator = sum(math.exp(similarity(i, k) / tau) for k in range(len(z)) if k != i)
        positives = [k for k in range(len(z)) if k != i and ids[k] == ids[i]]
        losses.append(
            sum(-math.log(math.exp(similarity(i, p) / tau) / denominator) for p in positives) / len(positives)
        )
    return losses


def loop_loss(z_RP: Tensor, ids_R: Tensor, tau: float) -> float:
    losses = anchor_losses(z_RP, ids_R, tau)
    return sum(losses) / len(losses)


def loss_and_gradient(z_RP: Tensor, ids_R: Tensor, tau: float) -> tuple[Tensor, Tensor]:
    z_RP = z_RP.detach().clone().requires_grad_()
    loss = nt_xent(z_RP, ids_R, tau)
    (gradient_RP,) = torch.autograd.grad(loss, z_RP)
    return loss.detach(), gradient_RP


@pytest.mark.parametrize("tau", [0.05, 0.5, 1.0])
def test_one_image_has_no_loss(tau):
    z_RP, ids_R = random_rows(1, 2, 5)
    assert abs(nt_xent(z_RP, ids_R, tau).item()) < 1e-15


@pytest.mark.parametrize(
    ("n", "chance"), [(2, 1.0986123), (128, 5.5412635), (256, 6.2363696), (512, 6.9304948), (1024, 7.6241306)]
)
def test_equal_embeddings_are_at_chance_and_stationary(n, chance):
    z_RP, ids_R = rows([[0.6, -0.8]] * n, [[0.6, -0.8]] * n)
    loss, gradient_RP = loss_and_gradient(z_RP, ids_R, 0.5)
    assert loss.item() == pytest.approx(chance, rel=1e-7)
    assert loss.item() == pytest.approx(math.log(2 * n - 1), rel=1e-12)
    assert gradient_RP.abs().max() < 1e-15


@pytest.mark.parametrize(("tau", "value"), [(1.0, 0.5514447), (0.5, 0.2395448), (0.1, 9.07957e-5)])
def test_aligned_and_orthogonal_views(tau, value):
    loss = nt_xent(*rows([[1, 0], [0, 1]], [[1, 0], [0, 1]]), tau).item()
    assert loss == pytest.approx(value, rel=1e-6)
    assert loss == pytest.approx(math.log(1 + 2 * math.exp(-1 / tau)), rel=1e-12)


def test_three_orthonormal_images():
    e_33 = torch.eye(3, dtype=torch.float64)
    assert nt_xent(*rows(e_33, e_33), 0.5).item() == pytest.approx(0.4326529, rel=1e-6)


@pytest.mark.parametrize(("tau", "value"), [(1.0, 1.5514447), (0.5, 2.2395448), (0.1, 10.0000908)])
def test_swapped_views(tau, value):
    assert nt_xent(*rows([[1, 0], [0, 1]], [[0, 1], [1, 0]]), tau).item() == pytest.approx(value, rel=1e-7)


def test_gradient_of_swapped_views_pulls_to_the_other_axis():
    z_RP, ids_R = rows([[1, 0], [0, 1]], [[0, 1], [1, 0]])
    _, gradient_RP = loss_and_gradient(z_RP, ids_R, 1.0)
    assert torch.allclose(gradient_RP, -0.2881 * (1 - z_RP), rtol=0, atol=5e-5)


@pytest.mark.parametrize(("tau", "value"), [(1.0, 0.6324429), (0.5, 0.3611229), (0.1, 0.0128721)])
def test_views_at_known_angles(tau, value):
    assert nt_xent(*rows(circle(0, 90), circle(30, 120)), tau).item() == pytest.approx(value, abs=6e-8)


def test_loop_gives_the_known_losses_of_each_anchor():
    losses = anchor_losses(*rows(circle(0, 90), circle(30, 120)), 0.5)
    assert losses == pytest.approx([0.2167285, 0.5055173, 0.5055173, 0.2167285], abs=6e-8)


@pytest.mark.parametrize(("tau", "value"), [(1.0, 1.2774737), (0.5, 1.5107138), (0.1, 4.1668017)])
def test_projections_are_normalised_inside(tau, value):
    assert nt_xent(*rows([[3, 4], [1, 0]], [[4, 3], [0, 2]]), tau).item() == pytest.approx(value, rel=1e-7)


@pytest.mark.parametrize(("n", "dim", "tau"), list(itertools.product([1, 2, 5, 9], [1, 2, 7], [0.1, 0.5, 2.0])))
def test_equals_equation_1(n, dim, tau):
    z_RP, ids_R = random_rows(n, 2, dim, seed=n * dim)
    assert nt_xent(z_RP, ids_R, tau).item() == pytest.approx(loop_loss(z_RP, ids_R, tau), abs=1e-12)


@pytest.mark.parametrize(("views", "tau"), [(3, 0.2), (4, 1.0)])
def test_more_views_take_the_mean_over_positives_outside_of_the_logarithm(views, tau):
    z_RP, ids_R = random_rows(4, views, 6)
    assert nt_xent(z_RP, ids_R, tau).item() == pytest.approx(loop_loss(z_RP, ids_R, tau), abs=1e-12)


def test_images_may_have_different_numbers_of_views():
    z_RP, _ = random_rows(7, 1, 4)
    ids_R = torch.tensor([5, 9, 5, 9, 5, 9, 5])
    assert nt_xent(z_RP, ids_R, 0.3).item() == pytest.approx(loop_loss(z_RP, ids_R, 0.3), abs=1e-12)


@pytest.mark.parametrize("tau", [0.1, 0.5])
def test_gradient_equals_the_written_out_formula(tau):
    z_RP, ids_R = random_rows(6, 2, 4)
    norm_R1 = z_RP.norm(dim=1, keepdim=True)
    u_RP, itself_RR = z_RP / norm_R1, torch.eye(12, dtype=torch.bool)
    p_RR = (u_RP @ u_RP.T / tau).masked_fill(itself_RR, -torch.inf).softmax(1)
    y_RR = ((ids_R[:, None] == ids_R) & ~itself_RR).double()
    g_RR = (p_RR - y_RR) / (12 * tau)
    g_RP = (g_RR + g_RR.T) @ u_RP
    expected_RP = (g_RP - u_RP * (u_RP * g_RP).sum(1, keepdim=True)) / norm_R1
    _, gradient_RP = loss_and_gradient(z_RP, ids_R, tau)
    assert torch.allclose(gradient_RP, expected_RP, rtol=0, atol=1e-12)


@pytest.mark.parametrize("views", [2, 3])
def test_gradcheck(views):
    z_RP, ids_R = random_rows(3, views, 4)
    assert torch.autograd.gradcheck(lambda z_RP: nt_xent(z_RP, ids_R, 0.4), z_RP.requires_grad_())


def test_permuting_images_permutes_the_gradient():
    z_RP, ids_R = random_rows(5, 2, 6)
    order_R = torch.randperm(10, generator=torch.Generator().manual_seed(1))
    loss, gradient_RP = loss_and_gradient(z_RP, ids_R, 0.2)
    permuted, permuted_RP = loss_and_gradient(z_RP[order_R], ids_R[order_R], 0.2)
    assert permuted.item() == pytest.approx(loss.item(), abs=1e-13)
    assert torch.allclose(permuted_RP, gradient_RP[order_R], rtol=0, atol=1e-13)


def test_swapping_the_views_changes_nothing():
    z_RP, ids_R = random_rows(5, 2, 6)
    swapped_RP = z_RP.roll(5, 0)
    assert nt_xent(swapped_RP, ids_R, 0.2).item() == pytest.approx(nt_xent(z_RP, ids_R, 0.2).item(), abs=1e-13)


def test_interleaved_rows_equal_stacked_rows():
    z_RP, ids_R = random_rows(5, 2, 6)
    interleaved_RP = z_RP.view(2, 5, 6).transpose(0, 1).reshape(10, 6)
    loss = nt_xent(interleaved_RP, torch.arange(5).repeat_interleave(2), 0.2)
    assert loss.item() == pytest.approx(nt_xent(z_RP, ids_R, 0.2).item(), abs=1e-13)


@pytest.mark.parametrize("c", [0.01, 37.0])
def test_scaling_a_row_divides_its_gradient_alone(c):
    z_RP, ids_R = random_rows(5, 2, 6)
    factor_R1 = torch.ones(10, 1, dtype=torch.float64)
    factor_R1[3] = c
    loss, gradient_RP = loss_and_gradient(z_RP, ids_R, 0.2)
    scaled, scaled_RP = loss_and_gradient(z_RP * factor_R1, ids_R, 0.2)
    assert scaled.item() == pytest.approx(loss.item(), abs=1e-13)
    assert torch.allclose(scaled_RP, gradient_RP / factor_R1, rtol=1e-10, atol=1e-13)


def test_gradient_is_orthogonal_to_the_projection():
    z_RP, ids_R = random_rows(5, 2, 6)
    _, gradient_RP = loss_and_gradient(z_RP, ids_R, 0.2)
    assert (gradient_RP * z_RP).sum(1).abs().max() < 1e-14
    assert gradient_RP.norm(dim=1).min() > 1e-3


def test_a_high_temperature_tends_to_chance():
    assert nt_xent(*random_rows(8, 2, 3), 1e9).item() == pytest.approx(math.log(15), abs=1e-8)


def test_cold_and_identical_rows_stay_finite():
    z_RP, ids_R = rows([[1.0, 0.0]] * 4, [[1.0, 0.0]] * 4)
    loss, gradient_RP = loss_and_gradient(z_RP.float(), ids_R, 0.01)
    assert loss.item() == pytest.approx(math.log(7), rel=1e-5)
    assert gradient_RP.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_input_is_computed_in_float32(dtype):
    z_RP, ids_R = random_rows(16, 2, 8)
    z_RP = (100 * z_RP).to(dtype)
    loss = nt_xent(z_RP, ids_R, 0.05)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(loop_loss(z_RP.double(), ids_R, 0.05), rel=1e-5)


def test_autocast_leaves_the_logits_in_float32():
    z_RP, ids_R = random_rows(16, 2, 8)
    z_RP = z_RP.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = nt_xent(z_RP, ids_R, 0.05)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, nt_xent(z_RP, ids_R, 0.05))


def test_float64_input_gives_float64():
    assert nt_xent(*random_rows(3, 2, 4)).dtype == torch.float64


def test_half_of_what_the_released_code_returns():
    z_RP, ids_R = random_rows(6, 2, 4)
    a_NP, b_NP = F.normalize(z_RP, dim=1).chunk(2)
    mask_NN = torch.eye(6, dtype=torch.float64) * 1e9
    aa, bb, ab, ba = (s / 0.3 for s in (a_NP @ a_NP.T, b_NP @ b_NP.T, a_NP @ b_NP.T, b_NP @ a_NP.T))
    own_N = torch.arange(6)
    loss_a = F.cross_entropy(torch.cat([ab, aa - mask_NN], 1), own_N)
    loss_b = F.cross_entropy(torch.cat([ba, bb - mask_NN], 1), own_N)
    assert nt_xent(z_RP, ids_R, 0.3).item() == pytest.approx((loss_a + loss_b).item() / 2, abs=1e-12)


@pytest.mark.parametrize("tau", [0.0, -0.5])
def test_temperature_must_be_positive(tau):
    with pytest.raises(ValueError, match="temperature must be positive"):
        nt_xent(*random_rows(2, 2, 3), tau)


@pytest.mark.parametrize(("z_shape", "ids"), [((4, 3), 3), ((2, 2, 3), 2), ((4,), 4)])
def test_shapes_must_agree(z_shape, ids):
    with pytest.raises(ValueError, match=r"z must be \[R, P\]"):
        nt_xent(torch.ones(z_shape), torch.zeros(ids, dtype=torch.int64))


def test_equal_embeddings_give_chance_level_at_a_batch_of_4096():
    z_RP = torch.ones(2 * 4096, 4)
    assert nt_xent(z_RP, torch.arange(4096).repeat(2)).item() == pytest.approx(9.0107913, rel=1e-6)
