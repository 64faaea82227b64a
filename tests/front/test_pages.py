"""The console's files: what a client takes, and a tree without a build."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from front.pages import Pages, taken


@pytest.mark.parametrize(
    ("header", "codings"),
    [
        ("", set()),
        ("gzip, br", {"gzip", "br"}),
        ("BR;q=1.0,gzip;q=0", {"br"}),
        ("gzip;q=0.000", set()),
        ("br ; q=0.5", {"br"}),
    ],
)
def test_accept_encoding_is_read(header: str, codings: set[str]) -> None:
    assert {name for name in taken(header) if name} == codings


async def test_a_tree_without_a_build_says_how_to_make_one(tmp_path: Path) -> None:
    reply = await Pages(tmp_path).page(cast(Any, None))
    assert reply.status == 503
    assert b"tools.console" in (reply.body or b"")


async def test_the_smallest_form_that_a_client_takes(tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name, text in (("a-1.js", b"whole"), ("a-1.js.br", b"b"), ("a-1.js.gz", b"g"), ("b-1.woff2", b"font")):
        (assets / name).write_bytes(text)
    pages = Pages(tmp_path)

    async def asked(name: str, codings: str) -> Any:
        return await pages.asset(cast(Any, SimpleNamespace(headers={"accept-encoding": codings})), name)

    assert [(await asked("a-1.js", codings)).body for codings in ("gzip, br", "gzip", "", "zstd")] == [
        b"b",
        b"g",
        b"whole",
        b"whole",
    ]
    assert (await asked("b-1.woff2", "br")).headers.get("content-encoding") is None
    assert (await asked("a-1.js.br", "br")).status == 404
    assert (await asked("../index.html", "br")).status == 404
