"""Channels: forms of creation, lists, changes, keys, tags, tests, the key's own route."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.house import PASSWORD, House
from tests.rest.people import Person, make, sign_in
from tests.servers.vendor import vendor


@pytest.fixture
def base(gateway: House, root: Person) -> Iterator[dict[str, Any]]:
    """A channel as a client sends it; what a test made is deleted after it."""
    before = {item["id"] for item in everything(root)}
    yield {
        "type": 1000, "name": "c", "key": "key-number-one", "base_url": gateway.sandbox, "models": "gpt-4o,m2",
        "group": "default,vip",
    }  # fmt: skip
    if made := [item["id"] for item in everything(root) if item["id"] not in before]:
        root.get("POST", "/api/channel/batch", {"ids": made})


def everything(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = person.get("GET", "/api/channel/?page_size=100&id_sort=true")["items"]
    return found


def create(person: Person, channel: dict[str, Any], mode: str = "single", **more: Any) -> list[dict[str, Any]]:
    """The channels that one request made, newest first."""
    before = {item["id"] for item in everything(person)}
    assert person.get("POST", "/api/channel/", {"mode": mode, "channel": channel, **more}) is None
    return [item for item in everything(person) if item["id"] not in before]


def reveal(root: Person, channel_id: int) -> str:
    """The key, after a verification."""
    proof = root.ask("POST", "/api/verify", {"method": "password", "code": PASSWORD})
    assert proof.json()["data"]["verified"] is True
    cookie = proof.headers["set-cookie"].split(";")[0]
    verified = Person(root.house, root.id, root.name, f"{root.cookie}; {cookie}")
    return str(verified.get("POST", f"/api/channel/{channel_id}/key")["key"])


def test_single(admin: Person, base: dict[str, Any]) -> None:
    sent = {
        **base,
        "used_quota": 5,
        "balance": 9.5,
        "test_time": 7,
        "channel_info": {"is_multi_key": True},
        "weight": 3,
    }
    (made,) = create(admin, sent)
    assert made["key"] == ""
    assert (made["models"], made["group"], made["weight"], made["status"]) == ("gpt-4o,m2", "default,vip", 3, 1)
    assert (made["used_quota"], made["balance"], made["test_time"]) == (0, 0, 0), "figures are the server's"
    assert made["channel_info"]["is_multi_key"] is False


def test_batch(admin: Person, root: Person, base: dict[str, Any]) -> None:
    made = create(admin, {**base, "key": "first-key-1\n\nsecond-key\n"}, "batch", batch_add_set_key_prefix_2_name=True)
    assert sorted(item["name"] for item in made) == ["c first-ke", "c second-k"]
    assert {reveal(root, item["id"]) for item in made} == {"first-key-1", "second-key"}


def test_multi_to_single_and_its_keys(admin: Person, root: Person, base: dict[str, Any]) -> None:
    (made,) = create(admin, {**base, "key": "k1\nk2\nk3"}, "multi_to_single", multi_key_mode="polling")
    info = made["channel_info"]
    assert (info["is_multi_key"], info["multi_key_size"], info["multi_key_mode"]) == (True, 3, "polling")
    channel_id = made["id"]

    def manage(action: str, **more: Any) -> Any:
        return admin.get("POST", "/api/channel/multi_key/manage", {"channel_id": channel_id, "action": action, **more})

    manage("disable_key", key_index=1)
    states = manage("get_key_status")
    assert [key["status"] for key in states["keys"]] == [1, 2, 1]
    assert (states["total"], states["enabled_count"], states["manual_disabled_count"]) == (3, 2, 1)
    assert states["keys"][1]["reason"] == "by hand"
    assert [key["index"] for key in manage("get_key_status", status=2)["keys"]] == [1]
    manage("delete_key", key_index=0)
    assert [key["status"] for key in manage("get_key_status")["keys"]] == [2, 1], (
        "the rest is renumbered with its states"
    )
    manage("enable_all_keys")
    manage("disable_all_keys")
    assert manage("get_key_status")["manual_disabled_count"] == 2
    assert manage("delete_disabled_keys") == 0, "only those disabled automatically"
    manage("enable_key", key_index=0)
    admin.get("PUT", "/api/channel/", {"id": channel_id, "key": "k3\nk4", "key_mode": "append"})
    assert reveal(root, channel_id).split("\n") == ["k2", "k3", "k4"]
    admin.get(
        "PUT", "/api/channel/", {"id": channel_id, "key": "k9", "key_mode": "replace", "multi_key_mode": "random"}
    )
    assert reveal(root, channel_id) == "k9"
    assert admin.get("GET", f"/api/channel/{channel_id}")["channel_info"]["multi_key_mode"] == "random"
    for body, named in (
        ({"action": "delete_key", "key_index": 0}, "last key"), ({"action": "disable_key"}, "Which key"),
        ({"action": "disable_key", "key_index": 7}, "holds 1"), ({"action": "explode"}, "no action"),
    ):  # fmt: skip
        assert named in admin.refused("POST", "/api/channel/multi_key/manage", {"channel_id": channel_id, **body})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"name": ""}, "name"), ({"models": " , "}, "model"), ({"key": "\n"}, "key"), ({"type": 424242}, "type"),
        ({"status": 9}, "status"), ({"weight": -1}, "weight"), ({"weight": 1 << 62}, "weight"), ({"priority": "1"}, "number"),
        ({"model_mapping": "["}, "JSON"), ({"model_mapping": "[]"}, "object"), ({"setting": "{"}, "JSON"),
        ({"name": "x" * 192}, "name"), ({"models": "m" * 256}, "models"), ({"remark": "x" * 256}, "remark"),
        ({"key": "k\0"}, "NUL"), ({"base_url": 5}, "text"),
        ({"models": ",".join(f"m{number}" for number in range(5001))}, "models"),
    ],
)  # fmt: skip
def test_wrong_channels(admin: Person, base: dict[str, Any], wrong: dict[str, Any], named: str) -> None:
    before = len(everything(admin))
    assert named in admin.refused("POST", "/api/channel/", {"mode": "single", "channel": {**base, **wrong}})
    assert len(everything(admin)) == before


def test_wrong_requests(admin: Person, base: dict[str, Any]) -> None:
    assert "mode" in admin.refused("POST", "/api/channel/", {"mode": "many", "channel": base})
    assert "channel" in admin.refused("POST", "/api/channel/", {"mode": "single", "channel": []})
    odd = {"mode": "multi_to_single", "multi_key_mode": "odd", "channel": base}
    assert "random or polling" in admin.refused("POST", "/api/channel/", odd)


def test_partial_updates(admin: Person, root: Person, base: dict[str, Any]) -> None:
    (made,) = create(admin, {**base, "tag": "t", "weight": 4, "model_mapping": '{"a": "b"}', "auto_ban": 0})
    assert made["auto_ban"] == 0
    told = admin.get(
        "PUT",
        "/api/channel/",
        {"id": made["id"], "name": "", "models": "", "group": "", "key": "", "status": 0, "type": 0},
    )
    assert told == made, "empty members that must not be empty leave what there is"
    told = admin.get(
        "PUT", "/api/channel/", {"id": made["id"], "weight": 0, "tag": "", "model_mapping": "", "remark": "r"}
    )
    assert told == {**made, "weight": 0, "tag": "", "model_mapping": "", "remark": "r"}
    told = admin.get(
        "PUT",
        "/api/channel/",
        {"id": made["id"], "used_quota": 99, "balance": 9, "response_time": 5, "created_time": 1},
    )
    assert (told["used_quota"], told["balance"], told["created_time"]) == (0, 0, made["created_time"])
    assert reveal(root, made["id"]) == "key-number-one"
    admin.get("PUT", "/api/channel/", {"id": made["id"], "key": "another-key"})
    assert reveal(root, made["id"]) == "another-key"
    admin.refused("PUT", "/api/channel/", {"id": made["id"], "key_mode": "odd"})
    assert "no such channel" in admin.refused("PUT", "/api/channel/", {"id": 10**9, "name": "x"})
    admin.refused("PUT", "/api/channel/", {"id": 10**12, "name": "x"})


def test_lists(admin: Person, base: dict[str, Any]) -> None:
    (one,) = create(admin, {**base, "name": "100%_a", "priority": 5, "tag": "even", "models": "gpt-4o-mini"})
    (two,) = create(admin, {**base, "name": "zebra", "priority": 9, "status": 2, "group": "vip", "tag": "even"})
    (three,) = create(admin, {**base, "name": "yak", "type": 1, "tag": "odd", "key": "a-very-special-key"})
    ours = {one["id"]: "one", two["id"]: "two", three["id"]: "three"}

    def names(query: str, path: str = "/api/channel/") -> list[str]:
        items = admin.get("GET", f"{path}?page_size=100&{query}")["items"]
        return [ours[item["id"]] for item in items if item["id"] in ours]

    assert names("") == ["two", "one", "three"], "by priority"
    assert names("id_sort=true") == ["three", "two", "one"]
    assert names("sort_by=name&sort_order=asc") == ["one", "three", "two"]
    assert names("sort_by=key") == ["two", "one", "three"], "what cannot be sorted by is left aside"
    assert names("status=enabled") == ["one", "three"]
    assert names("status=0") == ["two"]
    assert names("group=vip") == ["two", "one", "three"]
    assert names("group=vi") == []
    assert names("type=1") == ["three"]
    search = "/api/channel/search"
    assert names("keyword=100%25", search) == ["one"]
    assert names("keyword=%25", search) == ["one"], "% is literal"
    assert names("keyword=a-very-special-key", search) == ["three"], "the whole key"
    assert names("keyword=very-special", search) == [], "never a part of it"
    assert names("model=gpt-4o-mini", search) == ["one"]
    assert names("keyword=zeb&status=disabled", search) == ["two"]
    counts = admin.get("GET", "/api/channel/?type=1&page_size=1")
    assert counts["type_counts"]["1"] == 1
    assert counts["type_counts"]["all"] > 1
    assert counts["total"] == 1
    tagged = admin.get("GET", "/api/channel/?tag_mode=true&page_size=1")
    assert tagged["total"] == 2
    assert {item["tag"] for item in tagged["items"]} == {"even"}
    assert len(tagged["items"]) == 2


def test_tags(admin: Person, base: dict[str, Any]) -> None:
    made = [create(admin, {**base, "tag": "t1", "models": models})[0] for models in ("a", "a,b")]
    ids = [item["id"] for item in made]

    def column(name: str) -> list[Any]:
        return [admin.get("GET", f"/api/channel/{channel_id}")[name] for channel_id in ids]

    admin.get("POST", "/api/channel/tag/disabled", {"tag": "t1"})
    assert column("status") == [2, 2]
    admin.get("POST", "/api/channel/tag/enabled", {"tag": "t1"})
    admin.get("PUT", "/api/channel/tag", {"tag": "t1", "new_tag": "t2", "priority": 3, "weight": None, "models": ""})
    assert admin.get("GET", "/api/channel/tag/models?tag=t2") == "a,b"
    assert (column("tag"), column("priority"), column("models")) == (["t2"] * 2, [3, 3], ["a", "a,b"])
    assert admin.get("POST", "/api/channel/batch/tag", {"ids": ids, "tag": None}) == 2
    assert column("tag") == ["", ""]
    for body in ({}, {"tag": ""}, {"tag": "t2", "model_mapping": "["}):
        admin.refused("PUT", "/api/channel/tag", body)
    admin.refused("POST", "/api/channel/tag/disabled", {"tag": ""})
    assert column("status") == [1, 1], "an empty tag is no tag"


def test_copy_and_delete(admin: Person, root: Person, base: dict[str, Any]) -> None:
    (made,) = create(admin, {**base, "status": 2, "remark": "r"})
    copy_id = admin.get("POST", f"/api/channel/copy/{made['id']}")["id"]
    copied = admin.get("GET", f"/api/channel/{copy_id}")
    assert copied == {**made, "id": copied["id"], "name": "c_复制", "created_time": copied["created_time"]}
    assert reveal(root, copied["id"]) == "key-number-one"
    other = admin.get("POST", f"/api/channel/copy/{made['id']}?suffix=-2")["id"]
    assert admin.get("GET", f"/api/channel/{other}")["name"] == "c-2"
    (kept,) = create(admin, base)
    assert admin.get("DELETE", "/api/channel/disabled") == 3
    assert kept["id"] in [item["id"] for item in everything(admin)]
    assert admin.get("POST", "/api/channel/batch", {"ids": [kept["id"], 10**9]}) == 1
    admin.refused("GET", f"/api/channel/{kept['id']}")
    assert "1 to 1000" in admin.refused("POST", "/api/channel/batch", {"ids": []})


def test_tests(admin: Person, base: dict[str, Any]) -> None:
    (made,) = create(admin, {**base, "models": "gpt-4o,text-embedding-3-small,jina-reranker"})
    path = f"/api/channel/test/{made['id']}"
    for query in (
        "", "?stream=true", "?model=text-embedding-3-small", "?model=gpt-4o&endpoint_type=openai",
        "?model=jina-reranker", "?model=text-embedding-3-small&endpoint_type=embeddings",
    ):  # fmt: skip
        told = admin.ask("GET", path + query).json()
        assert told["success"], (query, told)
        assert told["time"] > 0
    assert admin.get("GET", f"/api/channel/{made['id']}")["test_time"] > 0
    assert "tested by" in admin.refused("GET", path + "?endpoint_type=telepathy")
    (dead,) = create(admin, {**base, "base_url": "http://127.0.0.1:9"})
    told = admin.ask("GET", f"/api/channel/test/{dead['id']}").json()
    assert (told["success"], told["error_code"]) == (False, "vendor_unreachable")
    assert "127.0.0.1:9" not in told["message"]


def test_models_of_a_vendor(admin: Person, root: Person, base: dict[str, Any]) -> None:
    (made,) = create(admin, {**base})
    told = admin.get("GET", f"/api/channel/fetch_models/{made['id']}")
    assert "gpt-4o" in told
    unsaved = {"type": 1000, "base_url": made["base_url"], "key": "sk-x\nsk-y"}
    assert root.get("POST", "/api/channel/fetch_models", unsaved) == told
    (dead,) = create(admin, {**base, "base_url": "http://127.0.0.1:9"})
    failed = admin.ask("GET", f"/api/channel/fetch_models/{dead['id']}")
    assert (failed.status, failed.json()["success"]) == (502, False)
    assert "127.0.0.1" not in failed.json()["message"]
    assert "no list of models" in root.refused("POST", "/api/channel/fetch_models", {"type": 18, "key": "a"})
    assert "no channel type" in root.refused("POST", "/api/channel/fetch_models", {"type": 999, "key": "a"})
    admin.refused("GET", "/api/channel/fetch_models/1000000")


def test_balance_of_a_channel(admin: Person, base: dict[str, Any]) -> None:
    with vendor() as silicon:
        silicon.behaviours["sk-12345678"] = lambda asked: asked.whole(b'{"data":{"totalBalance":"12.5"}}')
        (made,) = create(admin, {**base, "type": 40, "base_url": silicon.url, "key": "sk-12345678"})
        told = admin.ask("GET", f"/api/channel/update_balance/{made['id']}").json()
        assert told == {"success": True, "message": "", "balance": 12.5}
        assert admin.get("GET", f"/api/channel/{made['id']}")["balance"] == 12.5
    assert "tells no balance" in admin.refused("GET", f"/api/channel/update_balance/{create(admin, base)[0]['id']}")
    many = {**base, "type": 40, "key": "a\nb"}
    (multi,) = create(admin, many, mode="multi_to_single")
    assert "several keys" in admin.refused("GET", f"/api/channel/update_balance/{multi['id']}")


def test_balances_of_all_channels(admin: Person, base: dict[str, Any]) -> None:
    with vendor() as silicon:
        for key, left in (("sk-rich-1234", "3"), ("sk-poor-1234", "-0.5")):
            silicon.behaviours[key] = lambda asked, left=left: asked.whole(
                b'{"data":{"totalBalance":"%b"}}' % left.encode()
            )
        silicon.behaviours["sk-dead-1234"] = lambda asked: asked.whole(b"{}", status="500 Oops")
        made = {}
        for key in ("sk-rich-1234", "sk-poor-1234", "sk-dead-1234"):
            (channel,) = create(admin, {**base, "type": 40, "base_url": silicon.url, "key": key, "balance": 9})
            made[key[3:7]] = channel["id"]
        assert admin.get("GET", "/api/channel/update_balance") is None
    found = {name: admin.get("GET", f"/api/channel/{channel_id}") for name, channel_id in made.items()}
    assert (found["rich"]["balance"], found["rich"]["status"]) == (3, 1)
    assert (found["poor"]["balance"], found["poor"]["status"]) == (-0.5, 3)
    assert (found["dead"]["balance"], found["dead"]["status"]) == (0, 1)


def test_index_and_models(admin: Person, base: dict[str, Any]) -> None:
    create(admin, {**base, "models": "only-here", "status_code_mapping": '{"x": "y"}'})
    told = admin.get("POST", "/api/channel/fix")
    assert told["success"] >= 1
    assert told["fails"] == 1
    assert "only-here" in admin.get("GET", "/api/channel/models_enabled")
    models = {model["id"]: model for model in admin.get("GET", "/api/channel/models")}
    assert models["claude-opus-4-20250514"]["owned_by"] == "anthropic"
    assert "only-here" in models
    known = admin.get("GET", "/api/models")
    assert "only-here" in known["1000"]
    assert "gpt-4o" in known["1"]
    assert "gpt-4o" not in known["14"]


def test_a_channels_key_asks_for_a_fresh_proof(gateway: House, root: Person, admin: Person) -> None:
    path = "/api/channel/1/key"
    reply = root.ask("POST", path)
    assert (reply.status, reply.json()["code"]) == (403, "VERIFICATION_REQUIRED")
    root.refused("POST", "/api/verify", {"method": "password", "code": "wrong"})
    root.refused("POST", "/api/verify", {"method": "2fa", "code": "123456"})
    proof = root.ask("POST", "/api/verify", {"method": "password", "code": PASSWORD})
    assert "httponly" in proof.headers["set-cookie"].lower()
    cookie = proof.headers["set-cookie"].split(";")[0]
    assert reveal(root, 1) == "sandbox-key"
    # It belongs to that session alone.
    elsewhere = sign_in(gateway, "root")
    reply = Person(gateway, root.id, "root", f"{elsewhere.cookie}; {cookie}").ask("POST", path)
    assert (reply.status, reply.json()["code"]) == (403, "VERIFICATION_INVALID")
    reply = Person(gateway, admin.id, admin.name, f"{admin.cookie}; {cookie}").ask("POST", path)
    assert not reply.json()["success"]
    # A token cannot be verified.
    headers = {"Authorization": gateway.access_token, "New-Api-User": str(root.id)}
    assert Person(gateway).ask("POST", "/api/verify", {"method": "password", "code": PASSWORD}, **headers).status == 401
    views = root.get("GET", "/api/log/?type=3")["items"]
    actions = [json.loads(line["other"])["op"]["action"] for line in views]
    assert "channel.key_view" in actions
    assert "sandbox-key" not in json.dumps(views)
    person = make(gateway)
    assert person.refused("POST", path).startswith("Your account")
