"""Channels at work over REST: rounds of tests, affinity's memory."""

from __future__ import annotations

import json

from tests.integration.house import House, http, until
from tests.rest.people import Person
from tests.servers.vendor import vendor


def test_a_round_of_tests(admin: Person) -> None:
    begun = admin.get("GET", "/api/channel/test")
    assert begun["status"] == "running"
    assert begun["task_id"].startswith("systask_")
    again = admin.ask("GET", "/api/channel/test")
    if again.status == 409:
        assert again.json()["data"]["type"] == "channel_test"
        assert again.json()["data"]["task_id"] == begun["task_id"]

    def over() -> bool:
        reply = admin.ask("DELETE", "/api/channel/test").json()
        return reply["success"] or "under way" in reply["message"]

    until(over)
    assert "under way" in admin.refused("DELETE", "/api/channel/test")


def test_affinity_by_a_header_and_what_is_told_of_it(gateway: House, root: Person, admin: Person) -> None:
    rule = [
        {"name": "sessions", "key_sources": [{"type": "request_header", "key": "X-Session"}], "include_rule_name": True}
    ]
    before = root.get("GET", "/api/option/")
    assert any(row["key"] == "channel_affinity_setting.rules" for row in before)
    wrong = [{"name": "x", "key_sources": [{"type": "request_header"}]}]
    told = root.refused("PUT", "/api/option/", {"key": "channel_affinity_setting.rules", "value": json.dumps(wrong)})
    assert "0.key_sources.0.key" in told
    root.get("PUT", "/api/option/", {"key": "channel_affinity_setting.rules", "value": json.dumps(rule)})
    try:
        _, key = root.key(unlimited_quota=True)
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
        for _ in range(2):
            headers = {"Authorization": f"Bearer {key}", "X-Session": "talk-1"}
            assert http("POST", gateway.base + "/v1/chat/completions", body, headers).status == 200
        known = root.get("GET", "/api/option/channel_affinity_cache")
        assert (known["enabled"], known["total"], known["by_rule_name"]) == (True, 1, {"sessions": 1})
        assert known["cache_capacity"] == 100_000

        def line() -> dict[str, str] | None:
            rows = admin.get("GET", "/api/log/?type=2&page_size=1")["items"]
            info = json.loads(rows[0]["other"])["admin_info"] if rows else {}
            found: dict[str, str] | None = info.get("channel_affinity")
            return found

        logged = until(line)
        assert logged is not None
        query = f"rule_name=sessions&key_fp={logged['key_fp']}&using_group={logged['using_group']}"
        use = admin.get("GET", f"/api/log/channel_affinity_usage_cache?{query}")
        assert (use["total"], use["key_fp"]) == (2, logged["key_fp"])
        assert use["total_tokens"] == use["prompt_tokens"] + use["completion_tokens"] > 0
        assert admin.ask("GET", "/api/log/channel_affinity_usage_cache?rule_name=x").status == 400
        assert root.ask("DELETE", "/api/option/channel_affinity_cache").status == 400
        assert root.get("DELETE", "/api/option/channel_affinity_cache?rule_name=another") == {"deleted": 0}
        assert root.get("DELETE", "/api/option/channel_affinity_cache?all=true") == {"deleted": 1}
        assert root.get("GET", "/api/option/channel_affinity_cache")["total"] == 0
    finally:
        root.get("PUT", "/api/option/", {"key": "channel_affinity_setting.rules", "value": "[]"})


def test_what_routing_would_do(admin: Person) -> None:
    told = admin.get("POST", "/api/isthmus/explain", {"model": "gpt-4o"})
    (option,) = [one for one in told["options"] if one["chance"]]
    assert (option["state"], option["chance"], option["form"], option["native"]) == ("ready", 1, "openai.chat", True)
    assert (told["groups"], told["refusal"], told["choice"]) == (["default"], None, "weight")
    assert told["reserved"] > 0
    body = {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "hello there " * 50}]}
    for dialect in ("openai", "anthropic"):
        longer = admin.get("POST", "/api/isthmus/explain", {"dialect": dialect, "body": body})
        assert longer["prompt_tokens"] > told["prompt_tokens"]
    assert admin.get("POST", "/api/isthmus/explain", {"dialect": "responses", "body": {"model": "gpt-4o"}})["options"]
    assert "A model" in admin.refused("POST", "/api/isthmus/explain", {})
    assert "dialect" in admin.refused("POST", "/api/isthmus/explain", {"model": "m", "dialect": "esperanto"})
    assert admin.get("POST", "/api/isthmus/explain", {"model": "none"})["refusal"]["code"] == "MODEL_NOT_FOUND"


def test_models_of_vendors(gateway: House, admin: Person) -> None:
    assert admin.get("GET", "/api/channel/ops") == {"retry_times": 0}
    channel_id = gateway.channels[0]
    found = admin.get("POST", "/api/channel/upstream_updates/detect", {"id": channel_id})
    assert (found["channel_id"], found["auto_added_models"]) == (channel_id, 0)
    assert found["add_models"]
    before = admin.get("GET", f"/api/channel/{channel_id}")["models"]
    new = found["add_models"][0]
    done = admin.get("POST", "/api/channel/upstream_updates/apply", {"id": channel_id, "add_models": [new]})
    assert (done["added_models"], done["models"]) == ([new], f"{before},{new}")
    assert new not in done["remaining_models"]
    admin.get("PUT", "/api/channel/", {"id": channel_id, "models": before})
    assert "1 to" in admin.refused("POST", "/api/channel/upstream_updates/apply", {"id": channel_id})
    assert "texts" in admin.refused("POST", "/api/channel/upstream_updates/apply", {"id": 1, "add_models": "x"})
    assert admin.get("POST", "/api/channel/upstream_updates/apply_all")["processed_channels"] == 0
    begun = admin.ask("POST", "/api/channel/upstream_updates/detect_all")
    assert begun.status == 200
    assert begun.json()["data"]["task_id"]
    for method, path in (("POST", "pull"), ("POST", "pull/stream"), ("DELETE", "delete")):
        body = {"channel_id": channel_id, "model_name": "llama"}
        assert admin.ask(method, f"/api/channel/ollama/{path}", body).status == 400, "no Ollama server"
        assert admin.ask(method, f"/api/channel/ollama/{path}", {**body, "channel_id": 10**6}).status == 404
    assert admin.ask("GET", f"/api/channel/ollama/version/{channel_id}").status == 400


def test_a_pull_tells_its_progress(gateway: House, admin: Person) -> None:
    with vendor() as ollama:
        ollama.behaviours["oll"] = lambda asked: asked.whole(
            b'{"status":"pulling"}\n{"status":"success"}\n' if asked.body else b'{"version":"0.9"}',
            "application/x-ndjson",
        )
        channel = {"type": 4, "name": "o", "key": "oll", "base_url": ollama.url, "models": "llama", "group": "nobody"}
        admin.get("POST", "/api/channel/", {"mode": "single", "channel": channel})
        made = admin.get("GET", "/api/channel/?id_sort=true&page_size=1")["items"][0]["id"]
        try:
            body = {"channel_id": made, "model_name": "llama"}
            reply = admin.ask("POST", "/api/channel/ollama/pull/stream", body)
            assert reply.headers["content-type"].startswith("text/event-stream")
            events = [line.removeprefix(b"data: ") for line in reply.body.split(b"\n\n") if line]
            assert [json.loads(one).get("status") for one in events[:2]] == ["pulling", "success"]
            assert json.loads(events[2])["message"]
            assert events[3] == b"[DONE]"
            assert admin.ask("POST", "/api/channel/ollama/pull", body).json()["success"]
            assert admin.get("GET", f"/api/channel/ollama/version/{made}") == {"version": "0.9"}
        finally:
            admin.get("DELETE", f"/api/channel/{made}")
