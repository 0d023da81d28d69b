"""What every method promises, of every method of the package; a new file in its folder is covered as soon as it exists.

The checks are those that anybody can run on a method of their own: `lookalike.contract`.
"""

import pytest

from fakes import tiny_learner
from lookalike.contract.test_contract import *  # noqa: F403 - the tests, and the fixtures that they ask for
from lookalike.core import registry

METHODS = tuple(registry.names("methods"))


@pytest.fixture(scope="module", params=METHODS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def shared_methods() -> tuple[str, ...]:
    return METHODS


@pytest.mark.parametrize(
    ("images", "chance"), [(2, 1.0986123), (512, 6.9304948), (4096, 9.0107913), (65536, 11.7834944)]
)
def test_simclr_draws_the_chance_level_of_its_batch(images: int, chance: float):
    assert tiny_learner("simclr").chance_loss(images) == pytest.approx(chance, abs=1e-7)
