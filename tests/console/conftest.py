"""One gateway with data for all modules; a browser for each, as Playwright's loop would be in the way of others' tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.console import browser as browsers
from tests.console.browser import People
from tests.console.data import fill
from tests.integration.house import House, house
from tools import console


@pytest.fixture(scope="session")
def built() -> None:
    """front/static is what the sources give."""
    console.main()


@pytest.fixture(scope="session")
def gateway(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway with a user, keys, requests and prices."""
    with house(tmp_path_factory.mktemp("console")) as made:
        fill(made)
        yield made


@pytest.fixture(scope="session")
def sessions() -> dict[str, Any]:
    """Cookies and storage of those who have signed in."""
    return {}


@pytest.fixture(scope="module")
def chromium(built: None) -> Iterator[Browser]:
    if reason := browsers.missing():
        pytest.skip(reason)
    with browsers.chromium() as made:
        yield made


@pytest.fixture(scope="module")
def people(chromium: Browser, gateway: House, sessions: dict[str, Any]) -> People:
    return People(chromium, gateway, sessions)
