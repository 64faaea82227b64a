"""Tasks, nodes, processes, status pages."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core.errors import InvalidRequest
from core.manage.uptime import monitors
from core.options.table import validate
from tests.integration.house import House, until
from tests.rest.people import Person, make
from tests.rest.test_isolation import chat

PAGE = {
    "publicGroupList": [
        {"name": "APIs", "monitorList": [{"id": 1, "name": "chat"}, {"id": 2, "name": "images"}, {"id": 3}]},
        {"name": "", "monitorList": [{"id": 4, "name": "other"}]},
        "nonsense",
    ]
}
BEATS = {
    "heartbeatList": {"1": [{"status": 0}, {"status": 1}], "2": [{"status": 0}], "3": [], "4": "nonsense"},
    "uptimeList": {"1_24": 0.998, "2_24": 0.5, "1_720": 0.1, "4_24": 7},
}


def test_a_status_page_is_read() -> None:
    told = [(row.name, row.group, row.status, row.uptime) for row in monitors(PAGE, BEATS)]
    assert told == [
        ("chat", "APIs", 1, 0.998), ("images", "APIs", 0, 0.5), ("", "APIs", 0, 0), ("other", "", 0, 1.0),
    ]  # fmt: skip
    for page, beats in ((None, None), ([], []), ({"publicGroupList": 3}, {"heartbeatList": []}), ("x", 1)):
        assert monitors(page, beats) == []


@pytest.fixture
def kuma() -> Iterator[tuple[str, list[str]]]:
    """An Uptime Kuma that knows one page; the paths it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            found = {"/api/status-page/main": PAGE, "/api/status-page/heartbeat/main": BEATS}.get(self.path)
            body = json.dumps(found).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_uptime(gateway: House, nobody: Person, kuma: tuple[str, list[str]]) -> None:
    base, asked = kuma
    assert nobody.get("GET", "/api/uptime/status") == []
    groups = [{"categoryName": "main", "url": base, "slug": "main"}, {"categoryName": "gone", "url": base, "slug": "x"}]
    gateway.option("console_setting.uptime_kuma_groups", json.dumps(groups))
    told = nobody.get("GET", "/api/uptime/status")
    assert told == [{"categoryName": "main", "monitors": []}, {"categoryName": "gone", "monitors": []}]
    assert not asked, "a private address is not fetched, whoever named it"
    for name, value in (("fetch_setting.allow_private_ip", "true"), ("fetch_setting.allowed_ports", "[]")):
        gateway.option(name, value)
    gateway.option("console_setting.uptime_kuma_groups", json.dumps(groups, indent=1))
    main, gone = nobody.get("GET", "/api/uptime/status")
    assert main["monitors"][0] == {"name": "chat", "uptime": 0.998, "status": 1, "group": "APIs"}
    assert "group" not in main["monitors"][3]
    assert gone == {"categoryName": "gone", "monitors": []}
    count = len(asked)
    for _ in range(12):
        assert nobody.get("GET", "/api/uptime/status")[0] == main
    assert len(asked) <= count * gateway.workers, "a minute's answers are kept, by each worker"
    gateway.option("console_setting.uptime_kuma_enabled", "false")
    assert nobody.get("GET", "/api/uptime/status") == []


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "announcements",
            [{"content": "Hi", "publishDate": "2026-01-31T12:00:00Z", "type": "warning", "extra": "", "id": 3}],
            [
                {"content": "", "publishDate": "2026-01-31T12:00:00Z"}, {"content": "Hi", "publishDate": "yesterday"},
                {"content": "Hi", "publishDate": "2026-01-31T12:00:00"}, {"content": "x" * 501},
                {"content": "Hi", "publishDate": "2026-01-31T12:00:00Z", "type": "x"},
                {"content": "<script>", "publishDate": "2026-01-31T12:00:00Z"}, "Hi", 3,
            ],
        ),
        (
            "api_info",
            [{"url": "https://x.example", "route": "main", "description": "d", "color": "blue"}],
            [
                {"url": "javascript:alert(1)", "route": "m", "description": "d", "color": "blue"},
                {"url": "https://x", "route": "m", "description": "d", "color": "beige"}, {"url": "https://x"},
            ],
        ),
        ("faq", [{"question": "q", "answer": "a"}], [{"question": "q"}, {"question": "q", "answer": "x" * 1001}]),
        (
            "uptime_kuma_groups",
            [{"categoryName": "c", "url": "http://x", "slug": "a-b_1"}],
            [
                {"categoryName": "c", "url": "http://x", "slug": "a/../b"}, {"categoryName": "c", "url": "ftp://x"},
                {"categoryName": "x" * 51, "url": "http://x", "slug": "a"},
                {"categoryName": "c", "url": "http://u:p@x", "slug": "a"},
            ],
        ),
    ],
)  # fmt: skip
def test_lists_of_the_console_are_checked(name: str, good: list[Any], bad: list[Any]) -> None:
    option = f"console_setting.{name}"
    validate(option, json.dumps(good))
    validate(option, "[]")
    for row in bad:
        with pytest.raises(InvalidRequest, match=option):
            validate(option, json.dumps([row]))
    with pytest.raises(InvalidRequest, match="at most"):
        validate(option, json.dumps(good * 101))
    if name == "uptime_kuma_groups":
        with pytest.raises(InvalidRequest, match="twice"):
            validate(option, json.dumps(good * 2))


# -- tasks --------------------------------------------------------------------------------------

TASK = {
    "task_id", "type", "status", "active_key", "payload", "state", "result", "error", "locked_by", "created_at",
    "updated_at",
}  # fmt: skip


def test_the_log_is_cleaned_behind_the_request(gateway: House, root: Person) -> None:
    person = make(gateway, quota=5_000_000)
    _, secret = person.key()
    sent = [chat(gateway, secret) for _ in range(3)]
    until(lambda: person.get("GET", "/api/log/self?type=2")["total"] == len(sent))
    charged = person.get("GET", "/api/user/self")
    for when in ("", "?target_timestamp=0", f"?target_timestamp={int(time.time()) + 60}"):
        assert "Before which" in root.refused("POST", "/api/system-task/log-cleanup" + when)
    time.sleep(1.1)
    begun = root.get("POST", f"/api/system-task/log-cleanup?target_timestamp={int(time.time())}")
    assert set(begun) == TASK
    assert (begun["type"], set(begun["payload"])) == ("log_cleanup", {"target_timestamp"})
    path = f"/api/system-task/{begun['task_id']}"
    ended = until(lambda: (told := root.get("GET", path)) and told["status"] != "running" and told)
    assert (ended["status"], ended["active_key"], ended["error"]) == ("succeeded", None, "")
    assert ended["result"]["deleted_count"] == ended["state"]["processed"] == ended["state"]["total"] >= 3
    assert ended["state"]["progress"] == 100
    assert person.get("GET", "/api/log/self?type=2")["total"] == 0
    after = person.get("GET", "/api/user/self")
    for name in ("quota", "used_quota", "request_count"):
        assert after[name] == charged[name] > 0, "money is not the log's"
    assert person.get("GET", "/api/log/self/stat")["quota"] == charged["used_quota"]
    assert ended in root.get("GET", "/api/system-task/list?limit=5")
    assert root.get("GET", "/api/system-task/current?type=log_cleanup") is None
    assert "no such task" in root.refused("GET", "/api/system-task/systask_none")
    assert "ended already" in root.refused("DELETE", path)


# -- nodes and processes --------------------------------------------------------------------------


def test_instances(gateway: House, root: Person) -> None:
    def reported() -> Any:
        return root.ask("GET", "/api/system-info/instances").json()

    until(lambda: reported()["data"], "the worker reports itself")
    told = reported()
    (node,) = told["data"]
    assert set(node) == {"node_name", "status", "stale_after_seconds", "started_at", "last_seen_at", "info"}
    assert (node["status"], node["stale_after_seconds"]) == ("online", 90)
    info = node["info"]
    assert {"schema_version", "node", "role", "runtime", "host", "resources"} <= set(info)
    assert (info["node"]["source"], info["role"]["is_master"]) == ("hostname", True)
    assert info["resources"]["storage"]["total_bytes"] > info["resources"]["storage"]["free_bytes"] > 0
    (worker,) = info["workers"]
    assert worker["online"]
    assert worker["memory_bytes"] > 1 << 20
    ledger = told["ledger"]
    assert ledger["set_aside"] == 0
    assert [(each["state"], each["problem"]) for each in ledger["journals"]] == [("live", "")]


def test_the_process_that_answers(root: Person) -> None:
    told = root.get("GET", "/api/performance/stats")
    assert {"cache_stats", "memory_stats", "disk_cache_info", "disk_space_info", "config"} <= set(told)
    assert set(told["cache_stats"].values()) == {0}
    assert 1 << 20 < told["memory_stats"]["alloc"] <= told["memory_stats"]["total_alloc"]
    space = told["disk_space_info"]
    assert space["total"] == space["free"] + space["used"]
    assert told["config"]["monitor_cpu_threshold"] == 90
    before = told["memory_stats"]["num_gc"]
    assert root.get("POST", "/api/performance/gc")["collected"] >= 0
    assert root.get("GET", "/api/performance/stats")["memory_stats"]["num_gc"] > before
    assert root.get("GET", "/api/performance/logs")["files"] == []
    assert root.get("DELETE", "/api/performance/logs?mode=by_days&value=3")["deleted_count"] == 0
    assert "by_count or by_days" in root.refused("DELETE", "/api/performance/logs?mode=all")
    assert root.get("DELETE", "/api/performance/disk_cache") is None
