"""The option of pytest that names the method to be tested; pytest loads it where lookalike is installed."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--method`, as `lookalike train` takes it."""
    parser.getgroup("lookalike").addoption(
        "--method", help="the method that lookalike.contract tests, such as FILE.py:CLASS", default=None
    )
