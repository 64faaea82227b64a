"""docs/compatibility.md says what the router really has, both ways."""

from __future__ import annotations

import re
from pathlib import Path

from core.link.local import LocalChannel
from front.app import create_app
from front.settings import FrontSettings

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
ROW = re.compile(r"^\| `([^`]+)` \| ([A-Z, ]+) \| (done|partly \(.+\)|not yet) \|$", re.MULTILINE)
ONLY = re.compile(r"partly \(only ([A-Z, ]+)\)")


def shape(path: str) -> str:
    """A path with every parameter as a star."""
    return "/" + re.sub(r"<(\w+)(:\w+)?>|:\w+|\*\w+", "*", path).strip("/")


CONSOLE = {"/", "/assets/*"}
"""Pages of the console, which are no API."""


def router() -> dict[str, set[str]]:
    """Paths and methods that are routed."""
    found: dict[str, set[str]] = {}
    for route in create_app(LocalChannel(), FrontSettings()).router.routes:
        found.setdefault(shape("/" + route.uri.lstrip("/")), set()).update(route.methods)
    return found


def test_page_and_router_agree() -> None:
    routed = router()
    rows = ROW.findall(PAGE.read_text())
    assert len(rows) > 200
    claimed: dict[str, set[str]] = {}
    for path, methods, state in rows:
        wanted = {method.strip() for method in methods.split(",")}
        if state == "not yet":
            wanted = set()
        elif only := ONLY.match(state):
            wanted = {method.strip() for method in only[1].split(",")}
        claimed.setdefault(shape(path), set()).update(wanted)
    for path, methods in claimed.items():
        assert routed.get(path, set()) == methods, path
    assert not routed.keys() - claimed.keys() - CONSOLE, "routes that the page does not name"
