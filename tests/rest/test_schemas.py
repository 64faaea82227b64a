"""Real replies against front/rest/schemas, of which the console's types are made: the two cannot drift."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.integration.house import House, http, until
from tests.rest.people import Person
from tests.rest.schema import FOLDER, faults, load

NOW = f"start_timestamp={int(time.time()) - 86400}&end_timestamp={int(time.time()) + 86400}"

ROUTES = [
    # who, path, schema; a path with {key}: the id of his first key
    ("nobody", "/api/setup", "setup.json"),
    ("nobody", "/api/status", "status.json"),
    ("user", "/api/user/self", "self.json"),
    ("user", "/api/token/", "tokens.json"),
    ("user", "/api/token/{key}", "token.json"),
    ("user", "/api/log/self", "logs.json"),
    ("admin", "/api/log/", "logs.json"),
    ("user", "/api/log/self/stat", "log-sums.json"),
    ("admin", "/api/log/stat", "log-sums.json"),
    ("user", f"/api/data/self?{NOW}", "usage-hours.json"),
    ("admin", f"/api/data/?{NOW}", "usage-hours.json"),
    ("admin", f"/api/data/users?{NOW}", "usage-hours.json"),
    ("user", f"/api/data/flow/self?{NOW}", "usage-flows.json"),
    ("admin", f"/api/data/flow?{NOW}", "usage-flows.json"),
    ("user", "/api/user/self/groups", "groups.json"),
    ("user", "/api/user/models", "names.json"),
    ("admin", "/api/group/", "names.json"),
    ("user", "/api/user/2fa/status", "two-factor.json"),
    ("admin", "/api/user/", "users.json"),
    ("admin", "/api/user/search?keyword=person", "users.json"),
    ("admin", "/api/channel/", "channels.json"),
    ("admin", "/api/channel/search?model=gpt-4o", "channels.json"),
    ("admin", "/api/redemption/", "redemptions.json"),
    ("root", "/api/isthmus/options", "options.json"),
]
EMPTY_ALLOWED = {"/api/group/"}


@pytest.fixture(scope="module")
def people(gateway: House, root: Person, admin: Person, user: Person, nobody: Person) -> dict[str, Person]:
    """With a key and requests of every kind of line: streamed, whole, refused by the vendor."""
    _, secret = user.key(name="used")
    assert gateway.chat(secret).status == 200
    assert gateway.chat(secret, stream=True).status == 200
    until(lambda: len(user.get("GET", "/api/log/self?type=2")["items"]) >= 2, "no log lines")
    admin.get("POST", "/api/redemption/", {"name": "gift", "quota": 500_000, "count": 1})
    return {"nobody": nobody, "user": user, "admin": admin, "root": root}


def data_of(reply: Any) -> Any:
    answer = reply.json()
    assert answer["success"], answer
    return answer["data"]


@pytest.mark.parametrize(("who", "path", "schema"), ROUTES, ids=[row[1].split("?")[0] for row in ROUTES])
def test_replies_are_as_their_schema_says(people: dict[str, Person], who: str, path: str, schema: str) -> None:
    person = people[who]
    if "{key}" in path:
        path = path.replace("{key}", str(person.get("GET", "/api/token/")["items"][0]["id"]))
    data = data_of(person.ask("GET", path))
    assert not list(faults(data, load(schema)))
    items = data.get("items", data) if isinstance(data, dict) else data
    assert items or path in EMPTY_ALLOWED, "an empty reply shows nothing"


def test_a_requests_other_is_as_its_schema_says(people: dict[str, Person]) -> None:
    for who, path in (("user", "/api/log/self?type=2"), ("admin", "/api/log/?type=2")):
        line = data_of(people[who].ask("GET", path))["items"][0]
        assert not list(faults(json.loads(line["other"]), load("log-other.json")))


def test_writes_and_signing_in_answer_as_their_schemas_say(gateway: House, people: dict[str, Person]) -> None:
    user = people["user"]
    number = user.get("GET", "/api/token/")["items"][0]["id"]
    assert not list(faults(user.get("POST", f"/api/token/{number}/key"), load("secret.json")))
    body = {"username": user.name, "password": "correct-horse-7"}
    assert not list(faults(http("POST", gateway.base + "/api/user/login", body).json()["data"], load("signed-in.json")))
    assert not list(faults(user.get("POST", "/api/user/2fa/setup"), load("two-factor-setup.json")))
    assert not list(
        faults(
            user.get("POST", "/api/verify", {"method": "password", "password": "correct-horse-7"}),
            load("verified.json"),
        )
    )


def test_what_a_key_is_told_is_as_its_schema_says(gateway: House, people: dict[str, Person]) -> None:
    _, secret = people["user"].key(name="asked")
    assert gateway.chat(secret).status == 200
    bearer = {"Authorization": f"Bearer {secret}"}
    usage = http("GET", gateway.base + "/api/usage/token/", headers=bearer).json()["data"]
    assert not list(faults(usage, load("key-usage.json")))
    lines = until(lambda: data_of(http("GET", gateway.base + "/api/log/token", headers=bearer)))
    assert not list(faults(lines, load("log-lines.json")))


def test_prices_are_as_their_schema_says(people: dict[str, Person]) -> None:
    for who in ("nobody", "user"):
        answer = people[who].ask("GET", "/api/pricing").json()
        assert answer["data"]
        assert not list(faults(answer, load("pricing.json")))


def test_refusals_name_the_field(people: dict[str, Person]) -> None:
    token = {"name": "x" * 51, "expired_time": -1, "remain_quota": 1, "unlimited_quota": False}
    assert people["user"].ask("POST", "/api/token/", token).json()["param"] == "name"


def test_every_schema_is_sound() -> None:
    titles = [load(path.name)["title"] for path in FOLDER.glob("*.json")]
    assert len(set(titles)) == len(titles)
    for path in FOLDER.glob("*.json"):
        list(faults({}, load(path.name)))
        list(faults([{}], load(path.name)))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"key": 1}, "data.key is int, not string"),
        ({}, "data.key is missing"),
        ([], "data is list, not object"),
        ({"key": "k", "more": 1}, ""),
    ],
)
def test_a_reply_that_drifted_is_found(value: Any, said: str) -> None:
    assert list(faults(value, load("secret.json"))) == ([said] if said else [])
    assert list(
        faults(
            {"items": [value]},
            {"type": "object", "properties": {"items": {"type": "array", "items": {"$ref": "secret.json"}}}},
        )
    ) == ([said.replace("data", "data.items[0]")] if said else [])
