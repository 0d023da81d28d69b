"""Holds the search by bounds to what all cosines give, whatever the axes, and its choice to what pays."""

import pytest
import torch
import torch.nn.functional as F

from lookalike.neighbors.exact import nearest
from lookalike.neighbors.pruning import PrunedBank, choose, with_rest


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def near_few_axes(n, d=96, seed=0):
    """Rows of length 1, most of it along eight hidden directions, turned so that no column is special."""
    hidden = draw(n, 8, seed=seed + 1) @ draw(8, d, seed=100)
    return F.normalize(hidden + 0.3 * draw(n, d, seed=seed + 2), dim=1)


def leading(bank, width):
    return torch.linalg.eigh(bank.T @ bank).eigenvectors.flip(1)[:, :width]


def agrees(found, bank, query, k):
    """Cosines of the k nearest in double precision, and rows that have them, each once."""
    cosine = query.double() @ bank.double().T
    value, row = found
    assert value.shape == row.shape == (len(query), k)
    assert torch.allclose(value.double(), cosine.topk(k, dim=1).values, atol=1e-6)
    assert torch.allclose(value.double(), cosine.gather(1, row), atol=1e-6)
    assert (value.diff(dim=1) <= 0).all()
    assert (row.sort(1).values.diff(dim=1) > 0).all()


@pytest.mark.parametrize("n", [160, 161, 999, 1000])
@pytest.mark.parametrize("k", [1, 5, 20])
def test_agrees_with_all_cosines(n, k):
    bank, query = near_few_axes(n), near_few_axes(70, seed=50)
    agrees(PrunedBank(bank, leading(bank, 16), most=1).nearest(query, k), bank, query, k)


@pytest.mark.parametrize("width", [0, 1, 40, 96])
def test_any_axes_give_the_same_rows(width):
    bank, query = near_few_axes(500), near_few_axes(30, seed=50)
    axes = torch.linalg.qr(draw(96, 96)).Q[:, :width]
    agrees(PrunedBank(bank, axes, most=1).nearest(query, 7), bank, query, 7)


def test_as_many_as_there_are():
    bank, query = near_few_axes(37), near_few_axes(5, seed=50)
    agrees(PrunedBank(bank, leading(bank, 16), most=1).nearest(query, 37), bank, query, 37)


def test_queries_opposite_to_the_whole_bank():
    bank = F.normalize(near_few_axes(333) + 2 * F.normalize(draw(96, seed=9), dim=0), dim=1)
    query = -bank[::30]
    assert (query @ bank.T).max() < 0
    agrees(PrunedBank(bank, leading(bank, 16), most=1).nearest(query, 9), bank, query, 9)


def test_rows_of_length_0_and_rows_there_twice():
    bank = near_few_axes(400)
    bank[::7] = 0
    bank[1::7] = bank[1]
    query = torch.cat([bank[:20], -bank[:3]])
    agrees(PrunedBank(bank, leading(bank, 16), most=1).nearest(query, 60), bank, query, 60)


@pytest.mark.parametrize("rest", [0.0, 1e-7, 3e-4, 0.5, 1.0])
def test_no_bound_is_below_its_cosine(rest):
    """Also where rows lie wholly along the axes, so that 1 - |c|^2 is nothing but rounding."""
    inside, outside = F.normalize(draw(300, 10), dim=1), F.normalize(draw(300, 30, seed=1), dim=1)
    x = F.normalize(torch.cat([inside, rest * outside], 1), dim=1) @ torch.linalg.qr(draw(40, 40, seed=2)).Q
    query = F.normalize(x + 0.3 * draw(300, 40, seed=3), dim=1)
    axes = leading(x, 10)
    bounds = with_rest(query @ axes).double() @ with_rest(x @ axes).double().T
    assert (bounds >= query.double() @ x.double().T).all()


def test_where_little_is_ruled_out_it_leaves_the_block_to_all_cosines():
    bank = F.normalize(draw(2000, 96), dim=1)
    assert PrunedBank(bank, leading(bank, 8)).nearest(bank[:50], 20) is None


def structured_and_not():
    """A bank for which bounds pay, and queries of which the last 80, none that is asked, are 0 or have no structure."""
    bank, query = near_few_axes(6000, 256), near_few_axes(2600, 256, seed=50)
    query[-80:-40], query[-40:] = 0, F.normalize(draw(40, 256), dim=1)
    return bank, query


def test_blocks_that_are_left_over_are_searched_all_the_same(monkeypatch):
    bank, query = structured_and_not()
    left = []
    by_bounds = PrunedBank.nearest
    monkeypatch.setattr(PrunedBank, "nearest", lambda *args: left.append(by_bounds(*args)) or left[-1])
    agrees(nearest(bank, query, 5, block=40), bank, query, 5)
    assert sum(found is None for found in left) == 2
    assert len(left) == 65


def test_blocks_do_not_matter():
    bank, query = near_few_axes(4000, 256), near_few_axes(2100, 256, seed=50)
    assert choose(bank, query, 5) is not None
    whole = nearest(bank, query, 5)
    for block in (1000, 2099, 2100):
        value, row = nearest(bank, query, 5, block=block)
        assert torch.equal(row, whole[1])
        assert torch.equal(value, whole[0])


def test_chosen_where_rows_lie_near_few_axes():
    bank, query = near_few_axes(6000, 256), near_few_axes(2100, 256, seed=50)
    bounds = choose(bank, query, 20)
    assert bounds is not None
    assert bounds.axes_DC.shape == (256, 32)
    unit = bounds.axes_DC.T @ bounds.axes_DC
    assert torch.allclose(unit, torch.eye(32), atol=1e-5)


@pytest.mark.parametrize("what", ["no axes", "few queries", "few rows", "narrow", "not a number", "infinite"])
def test_all_cosines_where_bounds_do_not_pay_or_do_not_hold(what):
    bank, query = near_few_axes(3000, 256), near_few_axes(2500, 256, seed=50)
    assert choose(bank, query, 5) is not None
    if what == "no axes":
        bank, query = F.normalize(draw(3000, 256), dim=1), F.normalize(draw(2500, 256, seed=1), dim=1)
    elif what == "few queries":
        query = query[:100]
    elif what == "few rows":
        bank = bank[:100]
    elif what == "narrow":
        bank, query = bank[:, :32], query[:, :32]
    else:
        query[7, 3] = torch.nan if what == "not a number" else torch.inf
    assert choose(bank, query, 5) is None
