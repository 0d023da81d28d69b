"""The option of pytest that names the method to be tested; pytest loads it where lookalike is installed."""

from __future__ import annotations

from typing import Any


def pytest_addoption(parser: Any) -> None:
    """`--method`, as `lookalike train` takes it."""
    parser.getgroup("lookalike").addoption(
        "--method", help="the method that lookalike.contract tests, such as FILE.py:CLASS", default=None
    )
