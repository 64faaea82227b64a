"""Every page in both languages, light and dark, phone and desk: clean by axe, as wide as the screen, no complaint."""

from __future__ import annotations

import pytest

from tests.console.browser import People
from tests.console.pages import PAGES, Row

WAYS = (("en", "light", "desk"), ("zh", "dark", "phone"))


@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.name)
def test_page(people: People, row: Row) -> None:
    for language, scheme, size in WAYS:
        with people.view(row.who, language, scheme, size) as view:
            view.go(row.path)
            view.clean()
