"""The method under test, where the suite is run by itself."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def name(request: pytest.FixtureRequest) -> str:
    """The method named with `--method`."""
    method = request.config.getoption("--method", default=None)
    if method is None:
        pytest.fail("name a method: pytest --pyargs lookalike.contract --method FILE.py:CLASS", pytrace=False)
    return str(method)
