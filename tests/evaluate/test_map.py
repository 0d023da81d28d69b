"""Maps that move where the features move: alignment, order, sizes, what collapses."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from lookalike.evaluate.map import aligned_maps, common_neighbours, common_per_image, fingerprint, principal_layout
from lookalike.neighbors.numpy_backend import nearest_rows, unit_rows


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Some of the digits, float32 [500, 64]."""
    return load_digits().data[:500].astype(np.float32)


def moved(one: np.ndarray, other: np.ndarray) -> float:
    """Median movement, as a share of the width of the picture, which is 1."""
    return float(np.median(np.linalg.norm(one - other, axis=1)))


def kept(y: np.ndarray, x: np.ndarray) -> float:
    """Share of the nearest 10 in the map that are among the nearest 10 of the features."""
    distance = np.linalg.norm(y[:, None] - y[None], axis=2) + np.eye(len(y)) * 9
    return common_neighbours(np.argsort(distance, axis=1)[:, :10], nearest_rows(x, 10)[0], 10)


@pytest.fixture(scope="module")
def same(pixels: np.ndarray) -> np.ndarray:
    """Maps of the same features three times."""
    return aligned_maps([pixels] * 3)


def test_the_same_features_stay_where_they_are(same: np.ndarray):
    assert same.shape == (3, 500, 2) and same.dtype == np.float32
    assert moved(same[0], same[1]) < 0.01
    assert moved(same[1], same[2]) < 0.01


def test_a_map_keeps_neighbours_and_classes_together(same: np.ndarray, pixels: np.ndarray):
    assert kept(same[0], pixels) > 0.35
    labels = load_digits().target[:500]
    near = nearest_rows(np.c_[same[2] - 0.5, np.ones(500)], 1)[0][:, 0]  # by angle from above: nearly by distance
    assert (labels[near] == labels).mean() > 0.85


def test_what_changes_moves_and_what_does_not_stays(pixels: np.ndarray):
    changed = pixels.copy()
    changed[:50] = pixels[50:100]  # fifty images become doubles of others
    one, two = aligned_maps([pixels, changed])
    assert moved(one[:50], two[:50]) > 5 * moved(one[100:], two[100:])
    assert moved(two[:50], two[50:100]) < 0.1 < moved(one[:50], one[50:100])


def test_other_features_get_a_map_of_their_own(pixels: np.ndarray):
    other = np.random.default_rng(0).permutation(pixels)
    one, two = aligned_maps([pixels, other])
    assert kept(two, other) > 0.8 * kept(one, pixels)


def test_frames_before_the_first_one_are_laid_out_from_it(pixels: np.ndarray, same: np.ndarray):
    maps = aligned_maps([pixels, pixels], first=1)
    assert moved(maps[0], maps[1]) < 0.01
    assert not np.array_equal(maps[0], maps[1])


def test_the_same_again_and_with_other_threads(pixels: np.ndarray, same: np.ndarray):
    near = [nearest_rows(pixels, 90)] * 3
    assert np.array_equal(aligned_maps([pixels] * 3, threads=2, neighbours=near), same)


@pytest.mark.parametrize("n", [1, 2, 3, 11, 12, 13, 40])
def test_few_images(n: int):
    x = np.random.default_rng(n).normal(size=(n, 8)).astype(np.float16)
    maps = aligned_maps([x, x[:, ::-1], x])
    assert maps.shape == (3, n, 2)
    assert np.isfinite(maps).all() and maps.min() >= 0 and maps.max() <= 1
    assert n < 2 or np.isclose(np.ptp(maps, axis=(0, 1)).max(), 1, atol=1e-5)


def test_no_images():
    assert aligned_maps([np.zeros((0, 4))]).shape == (1, 0, 2)
    assert aligned_maps([]).shape == (0, 0, 2)


@pytest.mark.parametrize("n", [5, 200])
def test_features_that_collapse_leave_the_map_as_it_was(n: int):
    x = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float16)
    before, collapsed = aligned_maps([x, np.ones_like(x)])
    assert np.array_equal(before, collapsed)
    assert np.isfinite(aligned_maps([np.ones_like(x), np.zeros_like(x), x])).all()


def test_equal_images_features_on_a_line_and_not_a_number():
    x = np.random.default_rng(0).normal(size=(100, 8))
    x[:40] = x[0]
    assert np.isfinite(aligned_maps([x])).all()
    line = np.c_[np.ones(100), np.linspace(0, 1, 100)]
    (y,) = aligned_maps([line])
    assert np.isfinite(y).all() and min(np.ptp(y, axis=0)) > 0.01
    x[3, 2] = np.nan
    x[4] = np.inf
    assert np.isfinite(aligned_maps([x, x])).all()


def test_the_fingerprint_names_what_goes_in(pixels: np.ndarray):
    names = {
        fingerprint([pixels], 0, 0),
        fingerprint([pixels, pixels], 0, 0),
        fingerprint([pixels], 0, 1),
        fingerprint([pixels.astype(np.float16)], 0, 0),
        fingerprint([pixels[1:]], 0, 0),
    }
    assert len(names) == 5
    assert fingerprint([pixels], 0, 0) == fingerprint([pixels.copy()], 0, 0)


def test_nearest_rows_are_exact():
    x = np.random.default_rng(0).normal(size=(1500, 5)).astype(np.float32)
    rows, cosines = nearest_rows(x, 4)
    similarity = unit_rows(x).astype(np.float64) @ unit_rows(x).astype(np.float64).T
    np.fill_diagonal(similarity, -2)
    assert np.array_equal(rows, np.argsort(-similarity, axis=1)[:, :4])
    assert np.allclose(cosines, np.sort(similarity, axis=1)[:, ::-1][:, :4], atol=1e-6)
    assert nearest_rows(x[:3], 20)[0].shape == (3, 2)
    assert nearest_rows(x[:1], 20)[0].shape == (1, 0)


def test_ties_are_listed_by_number_and_large_values_do_not_overflow():
    rows, cosines = nearest_rows(np.full((4, 3), 60_000.0, np.float16), 3)
    assert rows.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert np.allclose(cosines, 1)


def test_common_neighbours():
    one, other = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[3, 2, 9], [7, 8, 9]])
    assert common_per_image(one, other, 3).tolist() == [2 / 3, 0]
    assert common_neighbours(one, one, 3) == 1


def test_no_torch():
    code = (
        "import sys, numpy, lookalike.evaluate.map as m; m.aligned_maps([numpy.eye(20)]); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == b"False\n"


def test_wide_features_begin_along_the_same_axes():
    x_ND = np.random.default_rng(0).normal(size=(40, 30)) * np.geomspace(1, 0.01, 30)
    whole = principal_layout(x_ND, None, 0)
    np.testing.assert_allclose(principal_layout(x_ND, None, 0, wide=20), whole, atol=1e-4 * np.abs(whole).max())
    for rows in (x_ND[:1], x_ND[:2], np.repeat(x_ND[:1], 9, 0), np.repeat(x_ND[:2], 9, 0)):
        assert np.isfinite(principal_layout(rows, None, 0, wide=20)).all()
