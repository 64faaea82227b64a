"""What people read of models: entries and their rules, vendors, groups of texts, the upstream, the price page."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from core.errors import InvalidRequest
from core.manage import model_sync
from core.manage.entries import CONTAINS, EXACT, PREFIX, SUFFIX, entry_for, ordered
from core.store.models import ModelRow
from tests.integration.house import House, house
from tests.rest.people import Person, make, sign_in


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gpt-4o", "gpt-4o"), ("gpt-4o-mini", "gpt-4o-"), ("gpt-5", "gpt-"), ("x-mini", "mini"), ("a-gpt-b", "gpt"),
        ("none", ""), ("GPT-4o", ""),
    ],
)  # fmt: skip
def test_exact_then_prefix_then_suffix_then_part(name: str, found: str) -> None:
    rows = ordered(
        ModelRow(model_name=text, name_rule=rule)
        for text, rule in (
            ("gpt", CONTAINS), ("mini", SUFFIX), ("gpt-", PREFIX), ("gpt-4o-", PREFIX), ("gpt-4o", EXACT),
        )
    )  # fmt: skip
    row = entry_for(name, rows)
    assert (row.model_name if row is not None else "") == found


def save(person: Person, **fields: Any) -> dict[str, Any]:
    """A new entry."""
    told: dict[str, Any] = person.get("POST", "/api/models/", {"status": 1, "sync_official": 1, **fields})
    return told


def test_entries(gateway: House, admin: Person, user: Person) -> None:
    vendor = admin.get("POST", "/api/vendors/", {"name": "OpenAI", "icon": "OpenAI", "description": "makes GPT"})
    assert set(vendor) == {"id", "name", "status", "created_time", "updated_time", "icon", "description"}
    one = save(admin, model_name="gpt-4o", description="sees", tags="chat,vision", vendor_id=vendor["id"])
    assert set(one) == {
        "id", "model_name", "status", "sync_official", "created_time", "updated_time", "name_rule", "description",
        "tags", "vendor_id", "bound_channels", "enable_groups", "quota_types",
    }  # fmt: skip
    assert one["bound_channels"] == [{"name": "sandbox-0", "type": 1000}]
    assert (one["enable_groups"], one["quota_types"]) == (["default"], [0])
    family = save(admin, model_name="gpt-4", name_rule=1)
    assert (family["matched_models"], family["matched_count"]) == (["gpt-4o", "gpt-4o-mini"], 2)
    page = admin.get("GET", "/api/models/")
    assert [row["model_name"] for row in page["items"]] == ["gpt-4", "gpt-4o"]
    assert page["vendor_counts"] == {"0": 1, str(vendor["id"]): 1}
    for query, names in (
        ("keyword=vision", ["gpt-4o"]), ("keyword=sees", ["gpt-4o"]), ("keyword=gpt", ["gpt-4", "gpt-4o"]),
        ("vendor=Open", ["gpt-4o"]), (f"vendor={vendor['id']}", ["gpt-4o"]), ("vendor=none", []), ("keyword=none", []),
    ):  # fmt: skip
        items = admin.get("GET", f"/api/models/search?{query}")["items"]
        assert [row["model_name"] for row in items] == names, query
    assert admin.get("GET", f"/api/models/{one['id']}") == one
    known = user.get("GET", "/api/models")
    assert all(isinstance(names, list) for names in known.values()), "without the slash: models by channel type"
    assert user.refused("GET", "/api/models/").startswith("Your account may not do this.")
    assert "gpt-4o" not in admin.get("GET", "/api/models/missing")
    assert "text-embedding-3-small" in admin.get("GET", "/api/models/missing")
    for body, word in (
        ({"model_name": "gpt-4o"}, "already"), ({"model_name": ""}, "wanted"), ({"model_name": "x" * 129}, "more than"),
        ({"model_name": "y", "name_rule": 7}, "name_rule"), ({"model_name": "y", "vendor_id": 999}, "no such vendor"),
        ({"model_name": "y", "endpoints": "{"}, "not JSON"), ({"model_name": "y", "endpoints": "3"}, "list of types"),
        ({"model_name": "y", "endpoints": '{"openai": {"path": "x"}}'}, "begins with /"), ({"model_name": 3}, "text"),
        ({"model_name": "y", "status": -1}, "between"),
    ):  # fmt: skip
        assert word in admin.refused("POST", "/api/models/", body), body
    assert "Which model" in admin.refused("PUT", "/api/models/", {"model_name": "x"})
    changed = admin.get("PUT", "/api/models/?status_only=true", {"id": one["id"], "status": 0, "model_name": "other"})
    assert (changed["status"], changed["model_name"], changed["description"]) == (0, "gpt-4o", "sees")
    changed = admin.get("PUT", "/api/models/", {"id": one["id"], "model_name": "gpt-4o", "status": 1})
    assert "description" not in changed, "all fields are written"
    for entry in (one, family):
        admin.get("DELETE", f"/api/models/{entry['id']}")
        assert "no such model" in admin.refused("GET", f"/api/models/{entry['id']}")
    again = save(admin, model_name="gpt-4o")
    assert again["id"] > family["id"], "a deleted entry's name may be used again"
    admin.get("DELETE", f"/api/models/{again['id']}")
    admin.get("DELETE", f"/api/vendors/{vendor['id']}")


def test_vendors(admin: Person) -> None:
    one = admin.get("POST", "/api/vendors/", {"name": "Anthropic"})
    entry = save(admin, model_name="claude", vendor_id=one["id"])
    assert "already" in admin.refused("POST", "/api/vendors/", {"name": "Anthropic"})
    assert "wanted" in admin.refused("POST", "/api/vendors/", {"name": " "})
    changed = admin.get("PUT", "/api/vendors/", {"id": one["id"], "name": "Anthropic PBC", "description": "d"})
    assert admin.get("GET", f"/api/vendors/{one['id']}") == changed
    assert "Which vendor" in admin.refused("PUT", "/api/vendors/", {"name": "x"})
    assert [row["name"] for row in admin.get("GET", "/api/vendors/search?keyword=PBC")["items"]] == ["Anthropic PBC"]
    assert admin.get("GET", "/api/vendors/search?keyword=none")["items"] == []
    admin.get("DELETE", f"/api/vendors/{one['id']}")
    assert admin.get("GET", "/api/vendors/")["items"] == []
    assert "vendor_id" not in admin.get("GET", f"/api/models/{entry['id']}"), "entries stay without one"
    admin.get("DELETE", f"/api/models/{entry['id']}")


def test_prefill_groups(admin: Person) -> None:
    one = admin.get("POST", "/api/prefill_group/", {"name": "mine", "type": "model", "items": ["a", "b"]})
    assert set(one) == {"id", "name", "type", "items", "created_time", "updated_time"}
    two = admin.get(
        "POST", "/api/prefill_group/", {"name": "where", "type": "endpoint", "items": {"openai": {"path": "/v1"}}}
    )
    assert (one["items"], two["items"]) == (["a", "b"], {"openai": {"path": "/v1"}})
    assert [row["name"] for row in admin.get("GET", "/api/prefill_group/?type=model")] == ["mine"]
    assert len(admin.get("GET", "/api/prefill_group/")) == 2
    changed = admin.get("PUT", "/api/prefill_group/", {"id": one["id"], "name": "ours", "type": "tag", "items": ["c"]})
    assert (changed["name"], changed["type"], changed["items"]) == ("ours", "tag", ["c"])
    for body, word in (
        ({"name": "ours", "type": "tag", "items": []}, "already"), ({"name": "", "type": "tag"}, "wanted"),
        ({"name": "x", "type": "other"}, "one of"), ({"name": "x", "type": "tag", "items": [3]}, "list of"),
        ({"name": "x", "type": "tag", "items": {"a": 1}}, "list of"),
    ):  # fmt: skip
        assert word in admin.refused("POST", "/api/prefill_group/", body), body
    for group in (one, two):
        admin.get("DELETE", f"/api/prefill_group/{group['id']}")
    assert admin.get("GET", "/api/prefill_group/") == []
    assert "no such group" in admin.refused("DELETE", f"/api/prefill_group/{one['id']}")


def test_the_price_page_tells_of_models(admin: Person, nobody: Person) -> None:
    def prices() -> tuple[dict[str, Any], Any]:
        told = nobody.ask("GET", "/api/pricing").json()
        rows = {row["model_name"]: row for row in told["data"]}
        for row in rows.values():
            row.pop("pricing_version", None)
        return rows, told

    before, _ = prices()
    assert {"gpt-4o", "gpt-4o-mini"} <= set(before)
    assert "description" not in before["gpt-4o"]
    vendor = admin.get("POST", "/api/vendors/", {"name": "OpenAI", "icon": "OpenAI"})
    own = {"openai": {"path": "/v1/chat/completions", "method": "POST"}, "special": {"path": "/v1/special"}}
    exact = save(
        admin, model_name="gpt-4o", description="sees", icon="eye", tags="a,b", vendor_id=vendor["id"],
        endpoints=json.dumps(own),
    )  # fmt: skip
    family = save(admin, model_name="gpt-4", name_rule=1, description="a family")
    found, told = prices()
    row = found["gpt-4o"]
    assert (row["description"], row["icon"], row["tags"], row["vendor_id"]) == ("sees", "eye", "a,b", vendor["id"])
    assert row["supported_endpoint_types"] == ["openai", "special"]
    assert found["gpt-4o-mini"]["description"] == "a family"
    assert told["vendors"] == [{"id": vendor["id"], "name": "OpenAI", "icon": "OpenAI"}]
    assert told["supported_endpoint"]["special"] == {"path": "/v1/special", "method": "POST"}
    admin.get("PUT", "/api/models/?status_only=1", {"id": family["id"], "status": 0})
    hidden, _ = prices()
    assert "gpt-4o-mini" not in hidden, "an entry that is not shown hides its models"
    assert "gpt-4o" in hidden
    for entry in (exact, family):
        admin.get("DELETE", f"/api/models/{entry['id']}")
    admin.get("DELETE", f"/api/vendors/{vendor['id']}")
    assert prices()[0] == before


# -- the upstream -------------------------------------------------------------------------------

MODELS = {
    "success": True,
    "data": [
        {
            "model_name": "gpt-4o", "description": "omni", "icon": "OpenAI", "tags": "chat", "vendor_name": "OpenAI",
            "status": 1, "name_rule": 0, "endpoints": {"openai": {"path": "/v1/chat/completions", "method": "POST"}},
        },
        {"model_name": "gpt-4o-mini", "description": "small", "vendor_name": "OpenAI", "status": 1},
        {"model_name": "nobody-serves-it", "description": "x"},
        {"model_name": "x" * 500}, {"model_name": 3}, "nonsense", {"description": "no name"},
        {"model_name": "text-embedding-3-small", "endpoints": "{", "description": "cannot be kept"},
    ],
}  # fmt: skip
VENDORS = {"data": [{"name": "OpenAI", "description": "makes GPT", "icon": "OpenAI", "status": 1}, {"name": 4}, None]}


class Published(BaseHTTPRequestHandler):
    """An upstream; what it was asked."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        found = {"models.json": MODELS, "vendors.json": VENDORS}.get(self.path.rsplit("/", 1)[-1])
        if "/i18n/ja/" in self.path:
            found = None
        body = json.dumps(found).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Handler", (Published,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/meta", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory, upstream: tuple[str, list[str]]) -> Iterator[House]:
    environ = {"SYNC_UPSTREAM_BASE": upstream[0], "SYNC_HTTP_RETRY": "1"}
    with house(tmp_path_factory.mktemp("sync"), environ=environ) as made:
        made.add_channel()
        yield made


def test_what_an_upstream_publishes_is_taken_over(synced: House, upstream: tuple[str, list[str]]) -> None:
    admin, asked = make(synced, 10), upstream[1]
    path = "/api/models/sync_upstream"
    reply = admin.ask("GET", path + "/preview?locale=en").json()
    assert not reply["success"]
    assert (reply["locale"], "could not be read" in reply["message"]) == ("en", True)
    assert not asked, "a private address is not fetched"
    root = sign_in(synced, "root")
    for name, value in (("fetch_setting.allow_private_ip", "true"), ("fetch_setting.allowed_ports", "[]")):
        root.get("PUT", "/api/option/", {"key": name, "value": value})
    local = save(admin, model_name="gpt-4o", description="mine", tags="chat")
    told = admin.get("GET", path + "/preview?locale=zh-TW")
    assert sorted(asked) == [f"/meta/api/i18n/zh/newapi/{name}.json" for name in ("models", "vendors")]
    assert told["missing"] == ["gpt-4o-mini"], "served, published, and not here"
    assert (told["source"]["locale"], told["source"]["models_url"].rsplit("/", 1)[1]) == ("zh-TW", "models.json")
    (conflict,) = told["conflicts"]
    assert conflict["model_name"] == "gpt-4o"
    assert {row["field"]: (row["local"], row["upstream"]) for row in conflict["fields"]} == {
        "description": ("mine", "omni"), "icon": ("", "OpenAI"), "vendor": ("", "OpenAI"),
    }  # fmt: skip
    assert admin.get("GET", f"/api/models/{local['id']}")["description"] == "mine", "a preview writes nothing"
    assert "some of" in admin.refused("POST", path, {"overwrite": [{"model_name": "gpt-4o", "fields": ["id"]}]})
    assert "locale is" in admin.refused("POST", path, {"locale": "../../x"})
    wanted = [{"model_name": "gpt-4o", "fields": ["description", "vendor"]}, {"model_name": "none", "fields": ["icon"]}]
    done = admin.get("POST", path, {"overwrite": wanted})
    lists = [done[name] for name in ("created_list", "updated_list", "skipped_models")]
    assert lists == [["gpt-4o-mini"], ["gpt-4o"], ["none"]]
    assert (done["created_models"], done["created_vendors"], done["updated_models"]) == (1, 1, 1)
    changed = admin.get("GET", f"/api/models/{local['id']}")
    (vendor,) = admin.get("GET", "/api/vendors/")["items"]
    assert (changed["description"], changed["vendor_id"]) == ("omni", vendor["id"])
    assert "icon" not in changed, "only what was named is overwritten"
    assert vendor["description"] == "makes GPT"
    admin.get("PUT", "/api/models/", {"id": local["id"], "model_name": "gpt-4o", "status": 1, "sync_official": 0})
    done = admin.get("POST", path, {"overwrite": wanted[:1]})
    assert [done[name] for name in ("created_list", "updated_list", "skipped_models")] == [[], [], ["gpt-4o"]]
    assert not admin.ask("GET", path + "/preview?locale=ja").json()["success"], "404 there"


def test_where_it_is_published() -> None:
    for locale, part in (("", ""), ("en", "/i18n/en"), ("zh-CN", "/i18n/zh"), ("ja", "/i18n/ja")):
        found = model_sync.addresses("https://x.example/base/", locale)
        assert found.models_url == f"https://x.example/base/api{part}/newapi/models.json"
    with pytest.raises(InvalidRequest):
        model_sync.addresses("https://x.example", "xx")
