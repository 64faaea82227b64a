"""Every management route, asked by nobody, a user, an administrator and root."""

from __future__ import annotations

import re

import pytest

from core.link.local import LocalChannel
from front.app import create_app
from front.settings import FrontSettings
from tests.integration.house import House, http
from tests.rest.levels import LEVELS, RANK
from tests.rest.people import Person, make, sign_in

NO_ID = "999999999"
ROLE_REFUSAL = "Your account may not do this."
ENDS_THE_CALLER = {("DELETE", "/api/user/self"), ("GET", "/api/user/token"), ("POST", "/api/user/logout")}
SIGNED_IN = [row for row in LEVELS.items() if row[1] in ("user", "admin", "root")]
STREAMS = {path for _, path in LEVELS if path.endswith(("/export", "/stream")) and "ollama" not in path}
"""Answered by lines or events, not by an object."""
OPEN = [row[0] for row in LEVELS.items() if row[1] == "public"]
BY_KEY = [row[0] for row in LEVELS.items() if row[1] == "key"]


OLLAMA = {"chat", "generate", "embed", "embeddings", "show", "tags", "version"}
"""Paths under /api that are Ollama's dialect: relayed by key, no management."""


def test_the_table_is_the_router() -> None:
    routed = set()
    for route in create_app(LocalChannel(), FrontSettings()).router.routes:
        path = "/" + re.sub(r"<\w+:int>", ":id", route.uri.lstrip("/"))
        path = re.sub(r"<(\w+):str>", r":\1", path)
        if path.removeprefix("/api/") in OLLAMA:
            continue
        if path.startswith(("/api/", "/dashboard/", "/v1/dashboard/")):
            routed.update((method, path) for method in route.methods)
    assert routed == {(method, path.rstrip("/")) for method, path in LEVELS}


def place(path: str) -> str:
    """The path with an id nobody has; what would be watched for minutes, for a second."""
    return path.replace(":id", NO_ID) + ("?seconds=1" if path.endswith("/stream") else "")


@pytest.fixture(params=["user", "admin", "root"])
def caller(request: pytest.FixtureRequest) -> str:
    return str(request.param)


TOLD = {
    ("GET", "/api/channel/tag/models"): (400,),
    ("DELETE", "/api/option/channel_affinity_cache"): (400,),
    ("GET", "/api/log/channel_affinity_usage_cache"): (400,),
    ("GET", "/api/channel/test"): (200, 409),
    ("POST", "/api/channel/upstream_updates/detect_all"): (200, 409),
    ("POST", "/api/channel/ollama/pull"): (400,),
    ("POST", "/api/channel/ollama/pull/stream"): (400,),
    ("DELETE", "/api/channel/ollama/delete"): (400,),
    ("GET", "/api/channel/ollama/version/:id"): (400, 404),
}
"""Statuses of routes that tell what is missing, or under way, by them."""


@pytest.mark.parametrize(("row", "level"), SIGNED_IN, ids=lambda value: " ".join(value) if len(value) == 2 else "")
def test_levels(
    row: tuple[str, str], level: str, caller: str, gateway: House, user: Person, admin: Person, root: Person
) -> None:
    method, path = row
    person = {"user": user, "admin": admin, "root": root}[caller]
    if row in ENDS_THE_CALLER and caller != "root":
        person = make(gateway, RANK[caller])
    reply = person.ask(method, place(path), {})
    if row == ("POST", "/api/user/logout") and caller == "root":
        root.cookie = sign_in(gateway, "root").cookie
    if path in STREAMS and RANK[caller] >= RANK[level]:
        assert (reply.status, bool(reply.headers["auth-version"])) == (200, True)
        return
    answer = reply.json()
    if RANK[caller] >= RANK[level]:
        assert ROLE_REFUSAL not in answer.get("message", ""), answer
        # Let in, it meets at most the next check: a verification, an empty body, an id nobody has, no tag.
        if reply.status == 403:
            assert answer["code"] == "VERIFICATION_REQUIRED"
        else:
            assert reply.status in TOLD.get(row, (200,)), (reply.status, answer)
        assert reply.headers.get("auth-version") or not answer["success"]
    else:
        assert reply.status == 200
        assert not answer["success"]
        assert answer["message"].startswith(ROLE_REFUSAL), answer
    if row == ("GET", "/api/user/token") and caller == "root":
        gateway.access_token = answer["data"]


@pytest.mark.parametrize("row", [row for row, _ in SIGNED_IN], ids=" ".join)
def test_nobody_is_let_in(row: tuple[str, str], gateway: House, nobody: Person, user: Person) -> None:
    method, path = row
    foreign = {
        "nothing": {},
        "the header alone": {"New-Api-User": "1"},
        "an unreadable session": {"Cookie": "session=abc", "New-Api-User": "1"},
        "a session without the header": {"Cookie": user.cookie},
        "a session and another's id": {"Cookie": user.cookie, "New-Api-User": "1"},
        "an id that is no number": {"Cookie": user.cookie, "New-Api-User": "x"},
    }
    for name, headers in foreign.items():
        reply = nobody.ask(method, place(path), {}, **headers)
        assert reply.status == 401, (name, reply.status, reply.body)
        assert not reply.json()["success"]
    reply = nobody.ask(method, place(path), {}, Authorization="x" * 32, **{"New-Api-User": "1"})
    assert reply.status == 200
    assert not reply.json()["success"]
    assert "go together" in reply.json()["message"]


@pytest.mark.parametrize("row", OPEN, ids=" ".join)
def test_open_routes_ask_for_nobody(row: tuple[str, str], nobody: Person) -> None:
    reply = nobody.ask(row[0], place(row[1]), {})
    if row[1].endswith("/notify"):
        assert (reply.status, reply.body) == (200, b"fail"), "a word is what the protocol wants"
        return
    if row[1].endswith("/epay/return"):
        assert b"Sign" not in reply.body
        return
    off = row[1] == "/api/ratio_config" or row[1].endswith("/webhook")
    assert reply.status == (400 if row[1] in ("/api/oauth/:provider", "/api/perf-metrics") else 403 if off else 200)
    assert "Not signed in" not in reply.json().get("message", "")


@pytest.mark.parametrize("row", BY_KEY, ids=" ".join)
def test_key_routes_want_a_key(row: tuple[str, str], gateway: House, user: Person) -> None:
    method, path = row
    assert http(method, gateway.base + path).status == 401
    assert http(method, gateway.base + path, headers={"Authorization": "Bearer sk-" + "x" * 48}).status == 401
    assert user.ask(method, path).status == 401, "a session is no key"
    _, secret = user.key()
    assert http(method, gateway.base + path, headers={"Authorization": f"Bearer {secret}"}).status == 200


def test_cross_site_writes_are_refused(user: Person) -> None:
    reply = user.ask("PUT", "/api/user/self", {"language": "en"}, Origin="https://evil.example")
    assert reply.status == 403
    assert user.ask("PUT", "/api/user/self", {"language": "en"}, Origin=user.house.base).json()["success"]
    for headers, status in (
        ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, 200), ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "null"}, 403), ({"Origin": "http://["}, 403),
    ):  # fmt: skip
        assert user.ask("PUT", "/api/user/self", {"language": "en"}, **headers).status == status, headers


@pytest.mark.parametrize("path", ["/api/setup", "/api/user/login", "/api/user/register"])
def test_pages_elsewhere_do_not_reach_public_writes(nobody: Person, path: str) -> None:
    """Any page a person looks at could set up a fresh gateway on his own machine."""
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert nobody.ask("POST", path, {}, **headers).status == 403
    assert nobody.ask("POST", path, {}, Origin=nobody.house.base).status == 200


def test_bodies_have_limits_by_caller(nobody: Person, user: Person) -> None:
    big = {"username": "x" * 600_000}
    assert nobody.ask("POST", "/api/user/login", big).status == 413
    reply = user.ask("PUT", "/api/user/self", big)
    assert (reply.status, reply.json()["success"]) == (200, False), "read, and found too long"
    assert user.ask("PUT", "/api/user/self", {"username": "x" * (9 << 20)}).status == 413


def test_session_cookie_flags(gateway: House) -> None:
    login = {"username": "root", "password": "correct-horse-7"}
    cookie = http("POST", gateway.base + "/api/user/login", login).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie


def test_admins_never_touch_their_equals(gateway: House, admin: Person, root: Person) -> None:
    equal = make(gateway, 10)
    attempts = [
        ("GET", f"/api/user/{equal.id}", None),
        ("DELETE", f"/api/user/{equal.id}", None),
        ("PUT", "/api/user/", {"id": equal.id, "username": "taken", "password": "new-password-1"}),
        *(
            ("POST", "/api/user/manage", {"id": target, "action": action, "value": 5, "mode": "add"})
            for target in (equal.id, root.id, admin.id)
            for action in ("disable", "enable", "delete", "promote", "demote", "add_quota")
        ),
    ]
    for method, path, body in attempts:
        assert "own level" in admin.refused(method, path, body)
    assert sign_in(gateway, equal.name).get("GET", "/api/user/self")["role"] == 10
    assert "below your own level" in admin.refused(
        "POST", "/api/user/", {"username": "peer", "password": "password-77", "role": 10}
    )
    for role in (100, 50, -1, 2):
        assert "below your own level" in root.refused(
            "POST", "/api/user/", {"username": "peer", "password": "password-77", "role": role}
        )


def test_root_cannot_be_locked_out(root: Person) -> None:
    for action in ("disable", "delete", "demote", "promote"):
        root.refused("POST", "/api/user/manage", {"id": root.id, "action": action})
    root.refused("DELETE", f"/api/user/{root.id}")
    root.refused("DELETE", "/api/user/self")
    assert root.get("GET", "/api/user/self")["role"] == 100


def test_roles_are_read_afresh(gateway: House, root: Person) -> None:
    """A session issued to an administrator is a user's session once he was demoted, and ends when he is disabled."""
    person = make(gateway, 10)
    person.get("GET", "/api/channel/")
    root.get("POST", "/api/user/manage", {"id": person.id, "action": "demote"})
    assert person.refused("GET", "/api/channel/").startswith(ROLE_REFUSAL)
    root.get("POST", "/api/user/manage", {"id": person.id, "action": "disable"})
    assert "disabled" in person.refused("GET", "/api/user/self")
    root.get("POST", "/api/user/manage", {"id": person.id, "action": "enable"})
    root.get("PUT", "/api/user/", {"id": person.id, "username": person.name, "password": "another-pass-9"})
    assert person.ask("GET", "/api/user/self").status == 401, "a new password ends every session"
    sign_in(gateway, person.name, "another-pass-9").get("GET", "/api/user/self")
