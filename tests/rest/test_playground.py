"""The playground: a session's own wallet pays, in a group of its choice; and OpenAI's routes under Gemini's prefix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.integration.house import House, http
from tests.rest.people import Person, make
from tests.servers import vendor as fake
from tests.servers.vendor import Vendor

PATH = "/pg/chat/completions"
ASKED: dict[str, Any] = {"model": "pg-model", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def vendor(gateway: House) -> Iterator[Vendor]:
    with fake.vendor() as made:
        listed = gateway.manage("GET", "/api/option/")
        ratios = json.loads(next((row["value"] for row in listed if row["key"] == "ModelRatio"), "{}"))
        gateway.option("ModelRatio", json.dumps({**ratios, "pg-model": 1}))
        gateway.add_channel(type=1, key="pg-default", base_url=made.url, models="pg-model")
        gateway.add_channel(type=1, key="pg-vip", base_url=made.url, models="pg-model", group="vip")
        yield made


@pytest.fixture(scope="module")
def rich(gateway: House, vendor: Vendor) -> Person:
    return make(gateway, quota=10_000_000)


def wallet(person: Person) -> tuple[int, int]:
    me = person.get("GET", "/api/user/self")
    return int(me["quota"]), int(me["used_quota"])


def test_the_wallet_pays_and_no_key(gateway: House, rich: Person, vendor: Vendor) -> None:
    before, used = wallet(rich)
    reply = rich.ask("POST", PATH, {**ASKED, "group": "default"})
    assert reply.status == 200, reply.body
    assert reply.json()["choices"][0]["message"]["content"] == "fine"
    assert "group" not in vendor.last("pg-default").body
    line = gateway.line(reply.headers["x-request-id"])
    assert line["quota"] > 0
    assert line["token_id"] == 0
    assert line["user_id"] == rich.id
    assert wallet(rich) == (before - line["quota"], used + line["quota"])


def test_streams(rich: Person) -> None:
    reply = rich.ask("POST", PATH, {**ASKED, "stream": True})
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert b"fine" in reply.body
    assert reply.body.rstrip().endswith(b"data: [DONE]")


def test_groups(gateway: House, rich: Person, vendor: Vendor) -> None:
    count = vendor.counts["pg-vip"]
    assert rich.ask("POST", PATH, {**ASKED, "group": "vip"}).status == 200
    assert vendor.counts["pg-vip"] == count + 1
    reply = rich.ask("POST", PATH, {**ASKED, "group": "none"})
    assert reply.status == 403
    assert reply.json()["error"]["message"]
    assert rich.ask("POST", PATH, {**ASKED, "group": 7}).status == 400


def test_who_is_let_in(gateway: House, rich: Person, vendor: Vendor) -> None:
    nobody = Person(gateway)
    _, key = rich.key()
    for headers in ({}, {"Authorization": f"Bearer {key}"}, {"Authorization": f"Bearer {key}", "New-Api-User": str(rich.id)},
                    {"Cookie": "session=forged", "New-Api-User": str(rich.id)}):  # fmt: skip
        reply = nobody.ask("POST", PATH, ASKED, **headers)
        assert reply.status == 401, (headers, reply.body)
        assert reply.json()["error"]["message"]
    # Another's number, and a page of another site.
    assert rich.ask("POST", PATH, ASKED, **{"New-Api-User": "1"}).status == 401
    assert rich.ask("POST", PATH, ASKED, Origin="https://evil.example").status == 403
    token = rich.get("GET", "/api/user/token")
    headers = {"Authorization": token, "New-Api-User": str(rich.id)}
    assert http("POST", gateway.base + PATH, ASKED, headers).status == 200


def test_an_empty_wallet_is_refused(gateway: House, vendor: Vendor) -> None:
    poor = make(gateway)
    count = vendor.counts["pg-default"]
    reply = poor.ask("POST", PATH, ASKED)
    assert reply.status == 403
    assert reply.json()["error"]["code"] == "insufficient_user_quota"
    assert vendor.counts["pg-default"] == count


def test_openais_sdk_under_geminis_prefix(gateway: House, rich: Person, vendor: Vendor) -> None:
    """As Google's own compatible endpoint: base_url ends with /v1beta/openai/."""
    _, key = rich.key()
    with openai.OpenAI(api_key=key, base_url=gateway.base + "/v1beta/openai/", max_retries=0) as client:
        answer = client.chat.completions.create(**ASKED)
        assert answer.choices[0].message.content == "fine"
        pieces = [chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**ASKED, stream=True)
                  if chunk.choices]  # fmt: skip
        assert "".join(pieces) == "fine"
        assert "pg-model" in {model.id for model in client.models.list()}
        assert client.models.retrieve("pg-model").object == "model"
        vectors = client.embeddings.create(model="text-embedding-3-small", input="Hello")
        assert vectors.data[0].embedding
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(**{**ASKED, "model": "no-such-model"})
        assert caught.value.code == "model_not_found"
