"""What all tests share."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.databases import KINDS

# The machines tests run on are shared: how long an example takes says nothing.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    """--database: what the gateways of the contract suite (tests/rest) keep their rows in."""
    parser.addoption("--database", choices=KINDS, default="sqlite", help="of the contract suite's gateways")
