"""The estimator: what it takes and gives. scikit-learn's own suite is in test_kmeans_sklearn.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lookalike.clustering.kmeans import KMeans
from lookalike.clustering.lloyd import lloyd
from lookalike.core.errors import LookalikeError


def rows(n: int = 400, d: int = 5) -> np.ndarray:
    draw = np.random.default_rng(0)
    return draw.normal(size=(8, d))[draw.integers(8, size=n)] + 0.3 * draw.normal(size=(n, d))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_give_arrays(dtype: type) -> None:
    x = rows().astype(dtype)
    model = KMeans(8).fit(x)
    assert isinstance(model.cluster_centers_, np.ndarray)
    assert model.cluster_centers_.dtype == model.transform(x).dtype == dtype
    assert model.labels_.dtype == np.int64
    assert np.array_equal(model.predict(x), model.labels_)
    assert np.array_equal(KMeans(8).fit_predict(x), model.labels_)
    distances = model.transform(x)
    assert distances.shape == (400, 8)
    assert np.array_equal(distances.argmin(1), model.labels_)
    assert model.inertia_ == pytest.approx(float((distances.min(1) ** 2).sum()), rel=1e-4)
    assert model.n_features_in_ == 5
    assert model.n_refilled_ == 0
    assert list(model.get_feature_names_out()) == [f"kmeans{i}" for i in range(8)]


def test_tensors_give_tensors() -> None:
    x = torch.from_numpy(rows()).float()
    model = KMeans(8).fit(x)
    plain = KMeans(8).fit(x.numpy())
    for name in ("cluster_centers_", "labels_"):
        value = getattr(model, name)
        assert isinstance(value, torch.Tensor)
        assert value.device == x.device
        assert np.array_equal(value.numpy(), getattr(plain, name))
    assert torch.equal(model.predict(x), model.labels_)
    assert isinstance(model.transform(x), torch.Tensor)
    assert isinstance(model.predict(x.numpy()), np.ndarray)
    assert np.array_equal(plain.predict(x), plain.labels_)
    whole = KMeans(3).fit((10 * x).long())  # whole numbers are taken as float32
    assert whole.cluster_centers_.dtype == torch.float32


def test_is_lloyd() -> None:
    x = torch.from_numpy(rows())
    model = KMeans(8, random_state=5, tol=0, max_iter=20).fit(x)
    found = lloyd(x, 8, seed=5)
    assert torch.equal(model.cluster_centers_, found.centroids_KD)
    assert (model.inertia_, model.n_iter_) == (found.inertia, found.iterations)


def test_warm_start_agrees_with_scikit_learn() -> None:
    x = rows()
    ours = KMeans(8, init=x[:8]).fit(x)
    theirs = SklearnKMeans(8, init=x[:8], n_init=1).fit(x)
    assert np.array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_allclose(ours.cluster_centers_, theirs.cluster_centers_, atol=1e-10)
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.transform(x), theirs.transform(x), atol=1e-7)
    again = KMeans(8, init=ours.cluster_centers_, max_iter=5, tol=0).fit(x)
    assert np.array_equal(again.labels_, ours.labels_)
    assert again.n_iter_ <= 3


def test_several_runs_keep_the_best() -> None:
    x = rows(1000, 12)
    one = [KMeans(30, init="random", max_iter=3, random_state=seed).fit(x).inertia_ for seed in range(4)]
    several = KMeans(30, init="random", max_iter=3, n_init=6, random_state=0).fit(x).inertia_
    assert several <= one[0]
    assert len(set(one)) == 4
    assert several < max(one)


def test_spherical() -> None:
    x = rows() * np.linspace(0.1, 10, 400)[:, None]
    model = KMeans(8, spherical=True).fit(x)
    np.testing.assert_allclose(np.linalg.norm(model.cluster_centers_, axis=1), 1)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert np.array_equal((unit @ model.cluster_centers_.T).argmax(1), model.labels_)
    np.testing.assert_allclose(
        model.transform(x).min(1) ** 2, 2 - 2 * (unit @ model.cluster_centers_.T).max(1), atol=1e-9
    )
    assert np.array_equal(model.predict(5 * x), model.labels_)


def test_random_state() -> None:
    x = rows()
    state = np.random.RandomState(7)
    a, b = (KMeans(30, max_iter=1, random_state=s).fit(x).inertia_ for s in (state, np.random.RandomState(7)))
    assert a == b
    assert KMeans(30, max_iter=1, random_state=state).fit(x).inertia_ != a  # the state has moved on
    before = np.random.get_state()[1].copy()
    two = {KMeans(30, max_iter=1, random_state=None).fit(x).inertia_ for _ in range(4)}
    assert len(two) > 1
    assert np.array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_clusters": 0}, "n_clusters must be a whole number of at least 1, not 0"),
        ({"n_clusters": 2.5}, "n_clusters must be a whole number"),
        ({"n_clusters": 401}, "n_samples=400 is less than n_clusters=401"),
        ({"n_init": 0}, "n_init"),
        ({"max_iter": 0}, "max_iter"),
        ({"tol": -1.0}, "tol must be at least 0"),
        ({"init": np.zeros((3, 5))}, r"shape \[3, 5\], expected \[8, 5\]"),
        ({"init": "best"}, "init is 'best'"),
    ],
)
def test_bad_parameters(options: dict[str, Any], message: str) -> None:
    for x in (rows(), torch.from_numpy(rows())):
        with pytest.raises(ValueError, match=message) as caught:
            KMeans(**options).fit(x)
        assert isinstance(caught.value, LookalikeError)


def test_bad_rows() -> None:
    x = rows()
    x[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        KMeans(3).fit(x)
    with pytest.raises(ValueError, match="the first is row 3"):
        KMeans(3).fit(torch.from_numpy(x))
    with pytest.raises(ValueError, match="2 distinct"):
        KMeans(3).fit(np.repeat([[1.0, 2.0], [3.0, 4.0]], 5, axis=0))
    model = KMeans(3).fit(torch.from_numpy(rows()))
    with pytest.raises(ValueError, match="4 features"):
        model.predict(torch.zeros(2, 4))
    with pytest.raises(ValueError, match=r"shape \[5\]"):
        model.predict(torch.zeros(5))


def test_in_a_pipeline() -> None:
    labels = make_pipeline(StandardScaler(), KMeans(3)).fit_predict(rows())
    assert set(labels) == {0, 1, 2}


def test_named_columns() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows(), columns=list("abcde"))
    assert list(KMeans(3).fit(frame).feature_names_in_) == list("abcde")


def test_weights_are_repeats() -> None:
    x = rows()
    weights = np.random.default_rng(1).integers(0, 4, len(x))
    first = x[[3, 50, 100, 222]]
    model = KMeans(4, init=first).fit(x, sample_weight=weights)
    repeated = KMeans(4, init=first).fit(x.repeat(weights, 0))
    np.testing.assert_allclose(model.cluster_centers_, repeated.cluster_centers_, rtol=1e-12, atol=1e-12)
    assert np.array_equal(model.labels_[weights > 0], model.predict(x[weights > 0]))
    assert model.inertia_ == pytest.approx(repeated.inertia_)
    assert model.score(x, sample_weight=weights) == pytest.approx(-model.inertia_)
    theirs = SklearnKMeans(4, init=first, n_init=1, tol=0).fit(x, sample_weight=weights)
    np.testing.assert_allclose(model.cluster_centers_, theirs.cluster_centers_, atol=1e-9)


@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_rows_of_no_weight_are_no_first_centroids(init: str) -> None:
    x = np.concatenate([rows(200), rows(200) + 1000])
    weights = np.repeat([1.0, 0.0], 200)
    for seed in range(5):
        model = KMeans(6, init=init, random_state=seed).fit(x, sample_weight=weights)
        assert model.cluster_centers_.max() < 500
        assert not np.isnan(model.cluster_centers_).any()


def test_score_is_the_negative_inertia() -> None:
    x = rows()
    model = KMeans(8).fit(x[:300])
    assert model.score(x[:300]) == pytest.approx(-model.inertia_)
    theirs = SklearnKMeans(8, init=model.cluster_centers_, n_init=1, max_iter=1).fit(x[:300])
    theirs.cluster_centers_ = model.cluster_centers_
    assert model.score(x[300:]) == pytest.approx(theirs.score(x[300:]))


def test_init_may_be_called() -> None:
    x = rows()
    asked: list[int] = []

    def first(X: np.ndarray, n_clusters: int, random_state: np.random.RandomState) -> np.ndarray:
        asked.append(n_clusters)
        return X[random_state.permutation(len(X))[:n_clusters]]

    model = KMeans(5, init=first, n_init=3).fit(x)
    assert asked == [5, 5, 5]
    assert KMeans(5, init=first, n_init="auto").fit(x).inertia_ <= model.inertia_
    assert len(asked) == 13
    assert KMeans(5, init=first, n_init=3).fit(torch.from_numpy(x)).inertia_ == model.inertia_
    with pytest.raises(LookalikeError, match=r"shape \[2, 5\]"):
        KMeans(3, init=lambda X, n, random_state: X[:2]).fit(x)


def test_as_many_runs_as_scikit_learn() -> None:
    x = rows()
    for init, runs in (("k-means++", 1), ("random", 10), (x[:5], 1)):
        auto = KMeans(5, init=init, n_init="auto").fit(x)
        assert auto.inertia_ == KMeans(5, init=init, n_init=runs).fit(x).inertia_


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("power", [-100, 66, -400, 400])
def test_numbers_of_any_size_are_told_apart_alike(dtype: type, power: int, spherical: bool) -> None:
    if dtype is np.float32 and abs(power) > 126:
        pytest.skip("float32 has no such numbers")
    x = np.round(rows() * 2**8).astype(dtype)
    scale = dtype(2.0) ** dtype(power / 2) * dtype(2.0) ** dtype(power / 2)  # such as 1e20 and 1e-30
    plain = KMeans(8, spherical=spherical).fit(x)
    model = KMeans(8, spherical=spherical).fit(x * scale)
    assert np.array_equal(model.labels_, plain.labels_)
    assert np.array_equal(model.predict(x * scale), plain.labels_)
    if spherical:
        assert model.inertia_ == plain.inertia_
    else:
        assert np.array_equal(model.cluster_centers_, plain.cluster_centers_ * scale)
        assert model.inertia_ == plain.inertia_ * float(scale) ** 2
        np.testing.assert_allclose(model.transform(x * scale), plain.transform(x) * scale, rtol=1e-5)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(7), r"shape \[7\] for 400 rows"),
        (np.full(400, -1.0), "at least zero"),
        (np.zeros(400), "not all zero"),
        (np.full(400, np.nan), "finite"),
        (["a"] * 400, "a number for each row"),
        (np.ones(400) + 1j, "a number for each row"),
        (np.ones((400, 1)), r"shape \[400, 1\] for 400 rows"),
    ],
)
def test_bad_weights(weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KMeans(3).fit(rows(), sample_weight=weights)
    if message != "not all zero":
        with pytest.raises(ValueError, match=message):
            KMeans(3).fit(rows()).score(rows(), sample_weight=weights)


def test_one_weight_for_all() -> None:
    x = rows()
    model = KMeans(3).fit(x, sample_weight=2.0)
    assert model.inertia_ == pytest.approx(2 * KMeans(3).fit(x).inertia_)
    assert model.score(x, sample_weight=2.0) == pytest.approx(-model.inertia_)


@pytest.mark.parametrize("factor", [1e20, 1e-30, 1e30])
def test_the_score_of_numbers_beyond_the_squares_of_float32(factor: float) -> None:
    x = (rows() * factor).astype(np.float32)
    model = KMeans(8).fit(x)
    assert model.score(x) == pytest.approx(-model.inertia_, rel=1e-6)
    assert model.inertia_ == pytest.approx(KMeans(8).fit(x.astype(np.float64)).inertia_, rel=1e-3)


@pytest.mark.parametrize("factor", [1e-30, 1e-20, 1e20, 1e30])
def test_rows_of_another_size_than_those_fitted(factor: float) -> None:
    x = rows().astype(np.float32)
    model, new = KMeans(8).fit(x), (x * factor).astype(np.float32)
    square = ((new.astype(float)[:, None] - model.cluster_centers_.astype(float)) ** 2).sum(2)
    own = np.take_along_axis(square, model.predict(new)[:, None], 1)[:, 0]
    assert (own <= square.min(1) * (1 + 1e-12)).all()
    assert model.score(new) == pytest.approx(-square.min(1).sum(), rel=1e-5)


def test_rows_of_sizes_far_apart() -> None:
    x = np.array([[1.0], [2.0], [4.0], [1e25]], np.float32)
    model = KMeans(3, init=np.array([[1.0], [4.0], [1.5e25]])).fit(x)
    assert model.labels_.tolist() == [0, 0, 1, 2]
    assert model.cluster_centers_.dtype == np.float32
    assert np.array_equal(model.predict(x), model.labels_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tol": "a"}, "tol must be"),
        ({"tol": None}, "tol must be"),
        ({"init": None}, "init must be 'k-means"),
        ({"random_state": object()}, "random_state must be"),
    ],
)
def test_parameters_of_a_wrong_type(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KMeans(3, **parameters).fit(rows())


def test_a_generator_of_numpy_is_drawn_from() -> None:
    first, second = (KMeans(3, random_state=np.random.default_rng(1)).fit(rows()) for _ in range(2))
    assert np.array_equal(first.labels_, second.labels_)


def test_a_sparse_tensor() -> None:
    with pytest.raises(LookalikeError, match="to_dense"):
        KMeans(3).fit(torch.from_numpy(rows()).to_sparse())
