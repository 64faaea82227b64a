"""Rows and authorisers: what a row names is there, and rows that name none are the rest."""

from __future__ import annotations

from core.authorise.registry import ALL as AUTHORISERS
from core.vendors.registry import ALL
from core.vendors.table import ROWS


def test_rows_name_authorisers_that_are_there() -> None:
    named = {row.number: row.authorise for row in ROWS if row.authorise}
    assert (named[33], named[41]) == ("aws", "google")
    assert set(named.values()) == set(AUTHORISERS), "no row without its authoriser, none that nothing uses"


def test_a_row_split_by_models_names_forms_that_it_speaks() -> None:
    for vendor in ALL.values():
        spoken = {form.name for forms in vendor.forms() for form in forms}
        if vendor.split:
            assert {form for _, form in vendor.split} == spoken
            assert vendor.split[-1][0] == "", "some form serves every model"
