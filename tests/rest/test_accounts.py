"""Setup, status, registration, sign-in, one's own account, accounts for administrators."""

from __future__ import annotations

import json

import pytest

from tests.integration.house import PASSWORD, House, http
from tests.rest.people import Person, make, sign_in


def test_setup_is_done_once(gateway: House, nobody: Person) -> None:
    assert nobody.get("GET", "/api/setup") == {"status": True, "root_init": False, "database_type": ""}
    body = {"username": "second", "password": PASSWORD, "confirmPassword": PASSWORD}
    assert "exists already" in nobody.refused("POST", "/api/setup", body)


def test_status(nobody: Person) -> None:
    told = nobody.get("GET", "/api/status")
    assert told["setup"] is True
    assert told["quota_per_unit"] == 500000.0
    assert told["register_enabled"] is True
    assert told["quota_display_type"] == "USD"
    assert told["chats"] == []
    assert not any("secret" in name.lower() or "token" in name.lower() for name in told)


def test_public_texts(nobody: Person, root: Person) -> None:
    for path, option in (("notice", "Notice"), ("about", "About"), ("privacy-policy", "legal.privacy_policy")):
        assert nobody.get("GET", f"/api/{path}") == ""
        root.get("PUT", "/api/option/", {"key": option, "value": f"# {option}"})
        assert nobody.get("GET", f"/api/{path}") == f"# {option}"
    assert nobody.get("GET", "/api/status")["privacy_policy_enabled"] is True


def test_registration(gateway: House, nobody: Person, root: Person) -> None:
    code = root.get("GET", "/api/user/aff")
    body = {"username": "newcomer", "password": "password-77", "aff_code": code}
    nobody.get("POST", "/api/user/register", body)
    assert "taken" in nobody.refused("POST", "/api/user/register", body)
    found = root.get("GET", "/api/user/search?keyword=newcomer")["items"][0]
    assert found["inviter_id"] == root.id
    assert root.get("GET", "/api/user/self")["aff_count"] == 1
    for wrong in (
        {"username": "a" * 21},
        {"username": ""},
        {"password": "short"},
        {"password": "x" * 73},
        {"username": 5},
    ):
        nobody.refused("POST", "/api/user/register", {**body, "username": "other", **wrong})
    for option in ("RegisterEnabled", "PasswordRegisterEnabled"):
        root.get("PUT", "/api/option/", {"key": option, "value": False})
        assert "closed" in nobody.refused("POST", "/api/user/register", {**body, "username": "late"})
        root.get("PUT", "/api/option/", {"key": option, "value": True})
    root.get("PUT", "/api/option/", {"key": "QuotaForNewUser", "value": 777})
    nobody.get("POST", "/api/user/register", {"username": "gifted", "password": "password-77"})
    assert sign_in(gateway, "gifted", "password-77").get("GET", "/api/user/self")["quota"] == 777
    root.get("PUT", "/api/option/", {"key": "QuotaForNewUser", "value": 0})


def test_sign_in(gateway: House, nobody: Person, root: Person) -> None:
    person = make(gateway)
    unknown = nobody.refused("POST", "/api/user/login", {"username": "nobody-here", "password": PASSWORD})
    wrong = nobody.refused("POST", "/api/user/login", {"username": person.name, "password": "wrong-password"})
    assert unknown.split(" (")[0] == wrong.split(" (")[0], "which of the two is wrong is not told"
    root.get("POST", "/api/user/manage", {"id": person.id, "action": "disable"})
    banned = nobody.refused("POST", "/api/user/login", {"username": person.name, "password": PASSWORD})
    assert banned.split(" (")[0] == wrong.split(" (")[0]
    root.get("PUT", "/api/option/", {"key": "PasswordLoginEnabled", "value": False})
    assert "switched off" in nobody.refused("POST", "/api/user/login", {"username": "root", "password": PASSWORD})
    root.get("PUT", "/api/option/", {"key": "PasswordLoginEnabled", "value": True})
    logins = root.get("GET", "/api/log/?type=7&username=root")["items"]
    assert logins
    assert json.loads(logins[0]["other"])["op"]["action"] == "user.login"
    assert PASSWORD not in json.dumps(logins)
    bye = http("GET", gateway.base + "/api/user/logout")
    assert bye.headers["set-cookie"].startswith('session="";')
    assert "max-age=0" in bye.headers["set-cookie"].lower()
    assert "secure" not in bye.headers["set-cookie"].lower(), "over plain HTTP browsers would not take it"


@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_access_token(gateway: House, prefix: str) -> None:
    person = make(gateway)
    token = person.get("GET", "/api/user/token")
    assert len(token) == 32
    headers = {"Authorization": prefix + token, "New-Api-User": str(person.id)}
    assert http("GET", gateway.base + "/api/user/self", headers=headers).json()["data"]["id"] == person.id
    newer = person.get("GET", "/api/user/token")
    assert newer != token
    assert not http("GET", gateway.base + "/api/user/self", headers=headers).json()["success"], "the old one ended"


def test_own_account(gateway: House) -> None:
    person = make(gateway, quota=1234)
    told = person.get("GET", "/api/user/self")
    assert told["quota"] == 1234
    assert told["permissions"] == {"sidebar_settings": True, "sidebar_modules": {"admin": False}}
    assert "remark" not in told
    assert "original" in person.refused("PUT", "/api/user/self", {"username": "renamed", "original_password": "wrong"})
    person.get("PUT", "/api/user/self", {"username": "renamed", "display_name": "", "original_password": PASSWORD})
    assert person.get("GET", "/api/user/self")["username"] == "renamed"
    for patch in ({"sidebar_modules": '{"chat": {"enabled": true}}'}, {"language": "en"}):
        person.get("PUT", "/api/user/self", patch)
    setting = {"notify_type": "gotify", "gotify_url": "https://g.example", "gotify_token": "t", "gotify_priority": 99}
    person.get("PUT", "/api/user/setting", setting)
    held = json.loads(person.get("GET", "/api/user/self")["setting"])
    assert held["gotify_priority"] == 5
    assert held["language"] == "en", "what is not sent stays"
    assert person.get("GET", "/api/user/self")["sidebar_modules"] == '{"chat": {"enabled": true}}'
    for wrong in (
        {"notify_type": "pigeon"}, {"notify_type": "webhook"}, {"notify_type": "bark", "bark_url": "ftp://x"},
        {"notify_type": "email", "quota_warning_threshold": 0}, {"notify_type": "email", "record_ip_log": "yes"},
        {"notify_type": "email", "upstream_model_update_notify_enabled": True}, {},
    ):  # fmt: skip
        person.refused("PUT", "/api/user/setting", wrong)


def test_a_new_password_ends_other_sessions(gateway: House) -> None:
    person = make(gateway)
    elsewhere = sign_in(gateway, person.name)
    person.refused("PUT", "/api/user/self", {"password": "short", "original_password": PASSWORD})
    reply = person.ask("PUT", "/api/user/self", {"password": "brand-new-9", "original_password": PASSWORD})
    assert reply.json()["success"]
    assert elsewhere.ask("GET", "/api/user/self").status == 401
    person.cookie = reply.headers["set-cookie"].split(";")[0]
    person.get("GET", "/api/user/self")
    sign_in(gateway, person.name, "brand-new-9").get("GET", "/api/user/self")


def test_the_end_of_ones_own_account(gateway: House) -> None:
    person = make(gateway, quota=1_000_000)
    _, secret = person.key()
    person.get("DELETE", "/api/user/self")
    assert person.ask("GET", "/api/user/self").status == 401
    reply = http("GET", gateway.base + "/v1/models", headers={"Authorization": f"Bearer {secret}"})
    assert reply.status == 401


def test_users(gateway: House, admin: Person) -> None:
    person = make(gateway)
    page = admin.get("GET", "/api/user/?p=1&page_size=2")
    assert (page["page"], page["page_size"], len(page["items"])) == (1, 2, 2)
    assert page["items"][0]["id"] > page["items"][1]["id"]
    assert page["items"][0]["password"] == ""
    assert page["items"][0]["DeletedAt"] is None
    assert admin.get("GET", "/api/user/?page_size=1000")["page_size"] == 100
    admin.get(
        "PUT", "/api/user/", {"id": person.id, "username": person.name, "display_name": "100% _x", "group": "vip"}
    )
    for query, found in (
        (f"keyword={person.id}", True), ("keyword=100%25", True), ("keyword=%25", True), ("keyword=_x", True),
        ("keyword=_y", False), ("group=vip", True), ("group=svip", False), ("role=1", True), ("role=10", False),
        ("status=1", True), ("status=2", False), ("status=-1", False),
    ):  # fmt: skip
        ids = [item["id"] for item in admin.get("GET", f"/api/user/search?page_size=100&{query}")["items"]]
        assert (person.id in ids) is found, query
    assert [i["id"] for i in admin.get("GET", "/api/user/search?keyword=%25")["items"]] == [person.id], "% is literal"


def test_quota(gateway: House, admin: Person) -> None:
    person = make(gateway)

    def manage(mode: str, value: int) -> int:
        body = {"id": person.id, "action": "add_quota", "mode": mode, "value": value}
        assert admin.get("POST", "/api/user/manage", body) is None
        return int(person.get("GET", "/api/user/self")["quota"])

    assert manage("add", 1000) == 1000
    assert manage("subtract", 300) == 700
    assert manage("override", 50) == 50
    for mode, value in (
        ("subtract", 51),
        ("add", -5),
        ("add", 1 << 60),
        ("add", 1 << 70),
        ("multiply", 2),
        ("add", "x"),
    ):
        admin.refused(
            "POST", "/api/user/manage", {"id": person.id, "action": "add_quota", "mode": mode, "value": value}
        )
    assert person.get("GET", "/api/user/self")["quota"] == 50
    assert "no action" in admin.refused("POST", "/api/user/manage", {"id": person.id, "action": "explode"})


def test_deleting_accounts(gateway: House, root: Person) -> None:
    soft, hard = make(gateway), make(gateway)
    root.get("POST", "/api/user/manage", {"id": soft.id, "action": "delete"})
    listed = {item["id"]: item for item in root.get("GET", "/api/user/?page_size=100")["items"]}
    assert listed[soft.id]["DeletedAt"], "the list shows deleted ones"
    assert soft.id in [item["id"] for item in root.get("GET", "/api/user/search?status=-1&page_size=100")["items"]]
    root.get("DELETE", f"/api/user/{hard.id}")
    assert hard.id not in [item["id"] for item in root.get("GET", "/api/user/?page_size=100")["items"]]
    root.get("POST", "/api/user/", {"username": hard.name, "password": PASSWORD})
    again = sign_in(gateway, hard.name)
    assert again.id > hard.id, "ids are never given again"
    assert "taken" in root.refused("POST", "/api/user/", {"username": soft.name, "password": PASSWORD})


def test_what_administrators_do_is_logged(gateway: House, root: Person, admin: Person) -> None:
    person = make(gateway)
    admin.get("POST", "/api/user/manage", {"id": person.id, "action": "disable"})
    admin.refused("POST", "/api/user/manage", {"id": root.id, "action": "disable"})
    lines = root.get("GET", f"/api/log/?type=3&username={admin.name}")["items"]
    last = [json.loads(line["other"]) for line in lines[:2]]
    assert [each["op"]["action"] for each in last] == ["user.disable", "user.disable"]
    assert [each["audit_info"]["success"] for each in last] == [False, True]
    assert last[0]["audit_info"]["status"] == "ROLE_TOO_LOW"
    assert last[1]["op"]["params"]["id"] == person.id
    own = [json.loads(line["other"]) for line in admin.get("GET", "/api/log/self?type=3")["items"]]
    assert own[0]["op"]["action"] == "user.disable"
