"""Logs, their sums, their end; sums of usage."""

from __future__ import annotations

import csv
import io
import json
import time
from typing import Any

import pytest

from front.rest.log_streams import COLUMNS, cell, table
from tests.integration.house import House, Reply, http
from tests.rest.people import Person, make
from tests.rest.test_isolation import chat, until


class Story:
    """A user with two keys and some requests, one of them refused by the vendor's address."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.person = make(house, quota=50_000_000)
        self.keys = [self.person.key(name=name) for name in ("one", "two")]
        self.ids = [chat(house, self.keys[place][1]) for place in (0, 0, 1)]
        until(lambda: self.person.get("GET", "/api/log/self?type=2")["total"] == 3)


@pytest.fixture(scope="module")
def story(gateway: House) -> Story:
    return Story(gateway)


LOG = {
    "id", "user_id", "created_at", "type", "content", "username", "token_name", "model_name", "quota", "prompt_tokens",
    "completion_tokens", "use_time", "is_stream", "channel", "channel_name", "token_id", "group", "ip", "request_id",
    "upstream_request_id", "other",
}  # fmt: skip


def test_a_line_is_its_receipt(story: Story, admin: Person) -> None:
    (line,) = admin.get("GET", f"/api/log/?request_id={story.ids[0]}")["items"]
    assert set(line) == LOG
    assert (line["type"], line["token_name"], line["model_name"], line["group"]) == (2, "one", "gpt-4o", "default")
    assert (line["channel"], line["channel_name"]) == (1, "sandbox-0")
    other = json.loads(line["other"])
    assert {
        "model_ratio",
        "group_ratio",
        "user_group_ratio",
        "completion_ratio",
        "model_price",
        "cache_tokens",
        "cache_ratio",
        "frt",
    } <= set(other)
    assert (other["model_ratio"], other["completion_ratio"], other["group_ratio"]) == (1.25, 4.0, 1.0)
    assert (other["model_price"], other["user_group_ratio"]) == (-1, -1)
    assert other["admin_info"]["use_channel"] == ["1"]
    assert other["request_path"] == "/v1/chat/completions"
    assert other["receipt"]["quota"] == line["quota"] > 0
    assert other["receipt"]["dropped"] == []
    (tried,) = other["receipt"]["attempts"]
    assert (tried["channel"], tried["native"], tried["status"], tried["reason"]) == (1, True, 200, "")
    expected = (line["prompt_tokens"] + line["completion_tokens"] * 4) * 1.25
    assert abs(line["quota"] - expected) <= 1
    assert line["content"] == other["receipt"]["formula"]


def test_filters(story: Story, admin: Person) -> None:
    name, now = story.person.name, int(time.time())
    for query, found in (
        ("", 3), (f"username={name}", 3), (f"username={name[:-1]}", 0), ("token_name=one", 2), ("model_name=gpt-4o", 3),
        ("model_name=gpt", 0), ("model_name=gpt%25", 3), ("model_name=gpt_4o", 0), ("channel=1", 3), ("channel=9", 0),
        ("group=default", 3), ("group=vip", 0), (f"start_timestamp={now + 60}", 0), (f"end_timestamp={now - 3600}", 0),
        (f"start_timestamp={now - 3600}&end_timestamp={now + 60}", 3), ("type=5", 0), ("type=2", 3),
    ):  # fmt: skip
        items = admin.get("GET", f"/api/log/?page_size=100&{query}")["items"]
        assert len([item for item in items if item["request_id"] in story.ids]) == found, query
    for query in ("type=99", "model_name=%25%25", "model_name=%25a"):
        admin.refused("GET", f"/api/log/?{query}")
    for path in ("/api/log/search", "/api/log/self/search"):
        assert "withdrawn" in admin.refused("GET", path + "?keyword=x")


def test_own_lines(story: Story) -> None:
    told = story.person.get("GET", "/api/log/self?type=2&page_size=2&p=2")
    assert (told["total"], [item["id"] for item in told["items"]]) == (3, [3])
    assert [item["request_id"] for item in told["items"]] == [story.ids[0]]
    lines = http(
        "GET", story.house.base + "/api/log/token", headers={"Authorization": f"Bearer {story.keys[0][1]}"}
    ).json()
    assert [line["request_id"] for line in lines["data"]] == [story.ids[1], story.ids[0]]


def test_sums(story: Story, admin: Person) -> None:
    person = story.person
    lines = person.get("GET", "/api/log/self?type=2")["items"]
    quota = sum(line["quota"] for line in lines)
    tokens = sum(line["prompt_tokens"] + line["completion_tokens"] for line in lines)
    for path, asker in (("/api/log/self/stat", person), (f"/api/log/stat?username={person.name}", admin)):
        assert asker.get("GET", path) == {"quota": quota, "rpm": 3, "tpm": tokens}
    assert person.get("GET", "/api/log/self/stat?token_name=two&type=5")["rpm"] == 1, (
        "always requests, whatever the type"
    )
    assert person.get("GET", f"/api/log/self/stat?end_timestamp={int(time.time()) - 3600}")["quota"] == 0
    before = person.get("GET", "/api/user/self")
    assert (before["used_quota"], before["request_count"]) == (quota, 3)


def test_usage(story: Story, admin: Person) -> None:
    person, now = story.person, int(time.time())
    span = f"start_timestamp={now - 86_400}&end_timestamp={now + 60}"
    lines = person.get("GET", "/api/log/self?type=2")["items"]
    quota = sum(line["quota"] for line in lines)

    def total(rows: list[dict[str, Any]], name: str = "quota") -> int:
        return sum(int(row[name]) for row in rows)

    own = person.get("GET", f"/api/data/self?{span}")
    assert total(own) == quota
    assert total(own, "count") == 3
    assert {row["model_name"] for row in own} == {"gpt-4o"}
    assert all(row["created_at"] % 3600 == 0 for row in own)
    assert total(admin.get("GET", f"/api/data/?{span}&username={person.name}")) == quota
    mine = [row for row in admin.get("GET", f"/api/data/users?{span}") if row["username"] == person.name]
    assert (total(mine), {row["user_id"] for row in mine}) == (quota, {person.id})
    flow = person.get("GET", f"/api/data/flow/self?{span}")
    assert [(row["token_name"], row["count"]) for row in flow] == [("one", 2), ("two", 1)]
    assert set(flow[0]) == {"token_id", "token_name", "use_group", "model_name", "token_used", "count", "quota"}
    whole = [row for row in admin.get("GET", f"/api/data/flow?{span}") if row["username"] == person.name]
    assert total(whole) == quota
    assert {row["channel_id"] for row in whole} == {1}
    assert "flow needs" in person.refused("GET", "/api/data/flow/self")
    assert "30 days" in person.refused("GET", f"/api/data/self?start_timestamp={now - 40 * 86_400}")


def test_refused_requests_have_lines(story: Story, admin: Person) -> None:
    dead = {
        "type": 1000,
        "name": "dead",
        "key": "k",
        "base_url": "http://127.0.0.1:9",
        "models": "dead-model",
        "group": "default",
    }
    story.house.manage("PUT", "/api/option/", {"key": "SelfUseModeEnabled", "value": True})
    story.house.manage("POST", "/api/channel/", {"mode": "single", "channel": dead})
    body = {"model": "dead-model", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"Authorization": f"Bearer {story.keys[0][1]}"}
    reply = http("POST", story.house.base + "/v1/chat/completions", body, headers)
    assert reply.status >= 500
    path = f"?type=5&request_id={reply.headers['x-request-id']}"
    (line,) = until(lambda: admin.get("GET", "/api/log/" + path)["items"])
    other = json.loads(line["other"])
    assert (other["error_code"], other["status_code"], other["channel_name"]) == (
        "VENDOR_UNREACHABLE",
        reply.status,
        "dead",
    )
    assert line["quota"] == 0
    (line,) = story.person.get("GET", "/api/log/self" + path)["items"]
    assert "dead" not in line["other"].replace("dead-model", "")


def rows_of(reply: Reply) -> list[dict[str, str]]:
    """The rows of an exported table."""
    assert (reply.status, reply.headers["content-type"].split(";")[0]) == (200, "text/csv")
    assert 'filename="logs.csv"' in reply.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))


def test_export(story: Story, admin: Person) -> None:
    person = story.person
    rows = rows_of(admin.ask("GET", f"/api/isthmus/log/export?username={person.name}&type=2"))
    listed = admin.get("GET", f"/api/log/?username={person.name}&type=2")["items"]
    assert [(row["request_id"], int(row["quota"]), row["channel_name"]) for row in rows] == [
        (line["request_id"], line["quota"], "sandbox-0") for line in listed
    ]
    assert all(row["time"].endswith("Z") for row in rows)
    own = rows_of(person.ask("GET", "/api/isthmus/log/self/export?type=2&limit=2"))
    assert [row["request_id"] for row in own] == [line["request_id"] for line in listed[:2]]
    assert "channel_name" not in own[0]
    reply = person.ask("GET", "/api/isthmus/log/self/export?type=2&format=jsonl&token_name=two")
    (line,) = [json.loads(each) for each in reply.body.splitlines()]
    assert line == {**person.get("GET", "/api/log/self?type=2&token_name=two")["items"][0], "id": 1}
    assert rows_of(person.ask("GET", "/api/isthmus/log/self/export?model_name=none")) == []
    assert "csv or jsonl" in person.refused("GET", "/api/isthmus/log/self/export?format=xls")
    assert "pattern" in admin.refused("GET", "/api/isthmus/log/export?model_name=%25a"), "nothing was sent yet"


def test_an_exported_text_is_no_formula() -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "plain", "a=1", 7]
    assert [cell(text) for text in texts] == [*(f"'{text}" for text in texts[:6]), "plain", "a=1", 7]
    row = dict.fromkeys(COLUMNS, "") | {"created_at": 0, "content": '=HYPERLINK("http://evil", "x")\n"y"'}
    (told,) = csv.DictReader(io.StringIO(table([row], COLUMNS, True).decode(), newline=""))
    assert told["content"] == "'" + str(row["content"])
    assert told["time"] == "1970-01-01T00:00:00Z"


def test_pages_by_cursor(story: Story, admin: Person) -> None:
    person = story.person
    whole = person.get("GET", "/api/log/self?type=2")
    assert (whole["next"], whole["total_capped"]) == ("", False)
    first = person.get("GET", "/api/log/self?type=2&page_size=2")
    rest = person.get("GET", f"/api/log/self?type=2&page_size=2&before={first['next']}")
    told = [line["request_id"] for line in (*first["items"], *rest["items"])]
    assert told == [line["request_id"] for line in whole["items"]]
    assert rest["next"] == ""
    for cursor in ("x", "1", "1.", "-1.2", "1.2.3", "1." + "9" * 30):
        assert "earlier page" in person.refused("GET", f"/api/log/self?before={cursor}")


def test_by_the_vendors_request_id(story: Story, admin: Person) -> None:
    body = {"model": "gpt-4o", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
    reply = http("POST", story.house.base + "/v1/messages", body, {"Authorization": f"Bearer {story.keys[1][1]}"})
    assert reply.status == 200
    story.ids.append(reply.headers["x-request-id"])
    (line,) = until(lambda: admin.get("GET", f"/api/log/?request_id={story.ids[-1]}")["items"])
    vendors = line["upstream_request_id"]
    assert vendors, "the Sandbox names its requests"
    found = admin.get("GET", f"/api/log/?upstream_request_id={vendors}&username={story.person.name}")["items"]
    assert [row["request_id"] for row in found] == [story.ids[-1]]
    told = story.person.get("GET", f"/api/log/self?type=2&upstream_request_id={vendors}")
    assert told["total"] == len(story.ids), "who served it is not a user's to ask: the filter is left aside"


def test_the_log_is_watched_as_it_grows(story: Story, admin: Person) -> None:
    person = story.person
    streams = {
        "own": person.open("GET", "/api/isthmus/log/self/stream?type=2&seconds=60"),
        "all": admin.open("GET", f"/api/isthmus/log/stream?username={person.name}&type=2&seconds=60"),
        "other": make(story.house).open("GET", "/api/isthmus/log/self/stream?seconds=2"),
    }
    assert all(stream.headers["content-type"].startswith("text/event-stream") for stream in streams.values())
    assert streams["own"].readline() == b"retry: 3000\n"
    sent = chat(story.house, story.keys[0][1])
    story.ids.append(sent)
    for name in ("own", "all"):
        line = next(line for line in streams[name] if line.startswith(b"data: "))
        told = json.loads(line.removeprefix(b"data: "))
        assert told["request_id"] == sent
        assert (told["channel_name"] == "sandbox-0") is (name == "all")
    assert sent.encode() not in streams["other"].read(), "nobody watches another's"
    for stream in streams.values():
        stream.close()


def test_sums_by_cut(story: Story, admin: Person, root: Person) -> None:
    person, now = story.person, int(time.time())
    span = f"start_timestamp={now - 86_400}&end_timestamp={now + 60}"
    whole = sum(line["quota"] for line in person.get("GET", "/api/log/self?type=2")["items"])
    for by in ("model", "group", "key"):
        rows = person.get("GET", f"/api/isthmus/usage/self?{span}&by={by}")
        assert sum(row["quota"] for row in rows) == whole, by
        assert all(row["prompt_tokens"] + row["completion_tokens"] == row["token_used"] for row in rows)
    keys = {row["token_name"]: row["count"] for row in person.get("GET", f"/api/isthmus/usage/self?{span}&by=key")}
    assert keys.keys() == {"one", "two"}
    mine = f"username={person.name}&{span}"
    rows = admin.get("GET", f"/api/isthmus/usage?{mine}&by=channel&model_name=gpt-4o&group=default&channel=1")
    assert ({row["channel_name"] for row in rows}, sum(row["quota"] for row in rows)) == ({"sandbox-0"}, whole)
    assert "by is one of" in admin.refused("GET", "/api/isthmus/usage?by=x")
    for path in ("by=channel", "by=node", "by=key&channel=1"):
        asked = person.ask("GET", f"/api/isthmus/usage/self?{span}&{path}").json()
        assert asked["success"] is (path == "by=key&channel=1"), "a filter that is not his is left aside"
    admin.refused("GET", f"/api/isthmus/usage?{mine}&by=node")
    (node,) = {row["node_name"] for row in root.get("GET", f"/api/isthmus/usage?{mine}&by=node")}
    assert node
    flow = [row for row in root.get("GET", f"/api/data/flow?{span}") if row["username"] == person.name]
    assert {row["node_name"] for row in flow} == {node}
    assert {row["channel_name"] for row in flow} == {"sandbox-0"}
    flow = [row for row in admin.get("GET", f"/api/data/flow?{span}") if row["username"] == person.name]
    assert set(flow[0]) == {
        "user_id", "username", "use_group", "model_name", "channel_id", "channel_name", "token_used", "count", "quota",
    }  # fmt: skip


def test_performance(story: Story, nobody: Person, root: Person) -> None:
    told = {row["model_name"]: row for row in nobody.get("GET", "/api/perf-metrics/summary")["models"]}
    assert set(told["gpt-4o"]) == {
        "model_name", "avg_latency_ms", "success_rate", "avg_tps", "recent_success_rates", "request_count",
    }  # fmt: skip
    assert (told["gpt-4o"]["success_rate"], told["gpt-4o"]["recent_success_rates"]) == (100, [100])
    assert told["dead-model"]["success_rate"] == 0, "what the vendor failed at counts"
    one = nobody.get("GET", "/api/perf-metrics?model=gpt-4o&hours=720")
    (group,) = one["groups"]
    assert (one["model_name"], group["group"]) == ("gpt-4o", "default")
    assert set(group) == {"group", "avg_ttft_ms", "avg_latency_ms", "success_rate", "avg_tps", "series"}
    assert set(group["series"][0]) == {"ts", "avg_ttft_ms", "avg_latency_ms", "success_rate", "avg_tps"}
    assert one["series_schema"].split(",") == list(group["series"][0])
    assert nobody.ask("GET", "/api/perf-metrics").status == 400
    assert "between 1 and 720" in nobody.refused("GET", "/api/perf-metrics/summary?hours=721")
    assert "no such group" in nobody.refused("GET", "/api/perf-metrics?model=gpt-4o&group=secret")
    story.house.option("perf_metrics_setting.enabled", "false")
    assert nobody.get("GET", "/api/perf-metrics/summary") == {"models": []}
    story.house.option("perf_metrics_setting.enabled", "true")
    story.house.option("HeaderNavModules", '{"pricing": false}')
    assert nobody.ask("GET", "/api/perf-metrics/summary").status == 403
    story.house.option("HeaderNavModules", "")


def test_old_lines_are_deleted(story: Story, root: Person) -> None:
    for query in ("", "?target_timestamp=0", "?target_timestamp=-5", "?target_timestamp=x"):
        assert "Before which" in root.refused("DELETE", "/api/log/" + query)
    assert root.get("DELETE", f"/api/log/?target_timestamp={int(time.time()) - 86_400}") == 0
    assert story.person.get("GET", "/api/log/self?type=2")["total"] == len(story.ids)
    charged = story.person.get("GET", "/api/log/self/stat")["quota"]
    assert root.get("DELETE", f"/api/log/?target_timestamp={int(time.time()) + 5}") >= 3
    assert story.person.get("GET", "/api/log/self?type=2")["total"] == 0
    assert story.person.get("GET", "/api/user/self")["request_count"] >= 3, "counters are not the log"
    assert story.person.get("GET", "/api/log/self/stat")["quota"] == charged > 0, "nor are the sums"
