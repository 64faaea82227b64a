"""One gateway for the tests of a module, with people of every level."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.house import House, house
from tests.rest.people import Person, make, sign_in
from tests.servers.databases import dsn_of


@pytest.fixture(scope="module")
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One worker, so that what was written is known at once; one channel. Over the database --database names."""
    with (
        dsn_of(request.config.getoption("--database")) as dsn,
        house(tmp_path_factory.mktemp("rest"), environ={"SQL_DSN": dsn}) as made,
    ):
        made.add_channel()
        yield made


@pytest.fixture(scope="module")
def root(gateway: House) -> Person:
    return sign_in(gateway, "root")


@pytest.fixture(scope="module")
def admin(gateway: House) -> Person:
    return make(gateway, 10)


@pytest.fixture(scope="module")
def user(gateway: House) -> Person:
    return make(gateway, 1, quota=5_000_000)


@pytest.fixture(scope="module")
def nobody(gateway: House) -> Person:
    return Person(gateway)
