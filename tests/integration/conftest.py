"""One gateway with one Sandbox channel for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.house import House, house


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway with two workers and one channel; tests make their own keys."""
    data: Path = tmp_path_factory.mktemp("house")
    with house(data, workers=2) as made:
        made.add_channel()
        yield made


@pytest.fixture
def key(gateway: House) -> str:
    """A fresh key with 20 USD."""
    return gateway.add_key()[1]
