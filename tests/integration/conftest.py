"""One gateway with one Sandbox channel for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.house import House, house


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The process behind ``gateway``, one for all modules of a test process."""
    data: Path = tmp_path_factory.mktemp("house")
    with house(data, workers=2) as made:
        made.add_channel()
        yield made


@pytest.fixture(scope="module")
def gateway(shared: House) -> Iterator[House]:
    """A gateway with two workers and one channel; tests make their own keys.

    A module's channels go when it ends: two modules may serve one model's name by different vendors, and which of
    them run in one process, and in what order, is pytest-xdist's choice.
    """
    kept = len(shared.channels)
    yield shared
    added, shared.channels[kept:] = shared.channels[kept:], []
    if added:
        shared.manage("POST", "/api/channel/batch", {"ids": added})
        shared.spread()


@pytest.fixture
def key(gateway: House) -> str:
    """A fresh key with 20 USD."""
    return gateway.add_key()[1]
