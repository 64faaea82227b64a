"""Prices of other sites: a preview behind the guard, which writes nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.integration.house import House
from tests.rest.people import Person

BASE = "/api/ratio_sync"
LISTS: dict[str, Any] = {
    "/api/pricing": {"success": True, "data": [{"model_name": "gpt-4o", "quota_type": 0, "model_ratio": 9, "completion_ratio": 4}]},
    "/api/ratio_config": {"success": True, "data": {"model_ratio": {"gpt-4o": 1.25, "mine": 37.5}, "completion_ratio": {"mine": 1}}},
    "/api/v1/models": {"data": [{"id": "gpt-4o", "pricing": {"prompt": "0.0000025", "completion": "0.00001"}}]},
    "/none": ["x"],
}  # fmt: skip


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            body = json.dumps(LISTS.get(self.path, {})).encode()
            self.send_response(302 if self.path == "/away" else 200 if self.path in LISTS else 404)
            if self.path == "/away":
                self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def open_guard(gateway: House) -> Iterator[None]:
    for name, value in (("fetch_setting.allow_private_ip", "true"), ("fetch_setting.allowed_ports", "[]")):
        gateway.option(name, value)
    yield
    gateway.option("fetch_setting.allow_private_ip", "false")
    gateway.option("fetch_setting.allowed_ports", '["80","443","8080","8443"]')


def test_sources(gateway: House, root: Person) -> None:
    found = root.get("GET", f"{BASE}/channels")
    assert [row["id"] for row in found][-2:] == [-100, -101]
    assert set(found[0]) == {"id", "name", "base_url", "status", "type"}
    assert found[0]["base_url"] == gateway.sandbox


def test_the_guard_holds_whoever_asks(root: Person, site: str) -> None:
    upstreams = [{"name": "inside", "base_url": site}, {"name": "cloud", "base_url": "http://169.254.169.254"}]
    told = root.get("POST", f"{BASE}/fetch", {"upstreams": upstreams, "timeout": 2})
    assert [row["status"] for row in told["test_results"]] == ["error", "error"]
    assert told["differences"] == {}


@pytest.mark.usefixtures("open_guard")
def test_a_preview_of_what_differs(gateway: House, root: Person, site: str) -> None:
    before = root.get("GET", "/api/option/")
    upstreams = [
        {"name": "pricing", "base_url": site}, {"name": "config", "base_url": site, "endpoint": "/api/ratio_config"},
        {"name": "router", "base_url": site, "endpoint": "openrouter"},
        {"name": "none", "base_url": site, "endpoint": "/none"},
        {"name": "gone", "base_url": "x", "endpoint": site + "/nowhere"},
        {"name": "away", "base_url": site, "endpoint": "/away"},
    ]  # fmt: skip
    told = root.get("POST", f"{BASE}/fetch", {"upstreams": upstreams})
    states = {row["name"]: row["status"] for row in told["test_results"]}
    assert states == {
        "pricing": "success", "config": "success", "router": "success", "none": "error", "gone": "error", "away": "error"
    }  # fmt: skip
    assert told["differences"]["gpt-4o"] == {
        "model_ratio": {
            "current": 1.25,
            "upstreams": {"pricing": 9.0, "config": "same", "router": "same"},
            "confidence": {"pricing": True, "config": True, "router": True},
        }
    }, "its completion ratio is built in, and the same"
    assert told["differences"]["mine"]["model_ratio"]["confidence"]["config"] is False
    assert root.get("GET", "/api/option/") == before, "nothing was written"


@pytest.mark.parametrize(
    "body",
    [
        {}, {"upstreams": "x"}, {"upstreams": [5]}, {"channel_ids": ["x"]}, {"channel_ids": [999_999]},
        {"upstreams": [{"name": "a", "base_url": "ftp://x"}]}, {"upstreams": [{"name": "a" * 300, "base_url": "http://x"}]},
        {"upstreams": [{"name": "a", "base_url": "http://x"}] * 51},
    ],
)  # fmt: skip
def test_wrong_requests(root: Person, body: dict[str, Any]) -> None:
    root.refused("POST", f"{BASE}/fetch", body)
