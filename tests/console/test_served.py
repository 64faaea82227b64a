"""How the console's files are served: forms, caching, policy; and that no API is hidden by it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.integration.house import House, http
from tools.console import OUT

HTML = {"Accept": "text/html,application/xhtml+xml"}


def page_of(gateway: House, path: str = "/") -> Any:
    return http("GET", gateway.base + path, headers=HTML)


def test_the_page_has_a_strict_policy_and_a_nonce_of_its_own(gateway: House) -> None:
    replies = [page_of(gateway, path) for path in ("/", "/keys", "/oauth/github?code=1")]
    nonces = set()
    for reply in replies:
        assert reply.status == 200
        policy = reply.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        nonce = re.search(r"'nonce-([\w-]{20,})'", policy)
        assert nonce is not None
        assert f'content="{nonce[1]}"' in reply.body.decode()
        nonces.add(nonce[1])
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "same-origin"
        assert reply.headers["cache-control"] == "no-store"
        assert "<script>" not in reply.body.decode()
        assert "style=" not in reply.body.decode()
    assert len(nonces) == len(replies)


def test_files_are_hashed_compressed_and_kept(gateway: House) -> None:
    script = re.search(rb'src="(/assets/index-[\w-]{8}\.js)"', page_of(gateway).body)
    assert script is not None
    url = gateway.base + script[1].decode()
    sizes = {}
    for coding in ("br", "gzip", "identity", "br;q=0, gzip"):
        reply = http("GET", url, headers={"Accept-Encoding": coding})
        assert reply.status == 200
        assert reply.headers["content-type"].startswith("text/javascript")
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert reply.headers["vary"] == "Accept-Encoding"
        sizes[coding] = (reply.headers.get("content-encoding", ""), len(reply.body))
    assert [sizes[coding][0] for coding in sizes] == ["br", "gzip", "", "gzip"]
    assert sizes["br"][1] < sizes["gzip"][1] < sizes["identity"][1] / 2


@pytest.mark.parametrize("name", ["..%2findex.html", "%2e%2e/index.html", "nothing.js", ".stamp", "index.html"])
def test_nothing_else_is_served(gateway: House, name: str) -> None:
    assert http("GET", f"{gateway.base}/assets/{name}").status == 404


@pytest.mark.parametrize(
    "path", ["/api/nowhere", "/v1/nowhere", "/v1beta/nowhere", "/v2/nowhere", "/dashboard/nowhere"]
)
def test_no_page_stands_where_apis_are(gateway: House, path: str) -> None:
    reply = page_of(gateway, path)
    assert reply.status == 404
    assert "json" in reply.headers["content-type"]


def test_programs_that_ask_for_no_page_get_none(gateway: House) -> None:
    assert http("GET", gateway.base + "/nowhere").status == 404
    assert http("POST", gateway.base + "/keys", {}, HTML).status in (404, 405)


def test_the_first_load_is_small(gateway: House) -> None:
    """What sign-in needs, as brotli: scripts, styles, texts of one language, font."""
    html = page_of(gateway).body.decode()
    first = {name for name in re.findall(r"/assets/([\w.-]+)", html) if not name.endswith(".svg")}
    first |= {path.name for path in (OUT / "assets").glob("en-*.js")} | {
        path.name for path in (OUT / "assets").glob("Login-*.js")
    }
    first |= {path.name for path in (OUT / "assets").glob("*.woff2")}

    def size(name: str) -> int:
        small = OUT / "assets" / (name + ".br")
        return (small if small.exists() else OUT / "assets" / name).stat().st_size

    total = sum(map(size, first))
    print(f"first load: {total / 1000:.0f} kB")
    assert total < 350_000
