"""Signing in at providers, over REST, with strict stand-ins; and the attacks such sign-ins are known for."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.identity.test_telegram import BOT, signed
from tests.integration.house import House
from tests.rest.browser import Browser
from tests.rest.people import Person, make
from tests.servers.identity import CLIENT, SECRET, Provider, identity

SITE = "https://site.example"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with identity() as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def site(gateway: House, provider: Provider) -> None:
    options = {
        "ServerAddress": SITE, "oidc.client_id": CLIENT, "oidc.client_secret": SECRET, "oidc.enabled": "true",
        "oidc.well_known": provider.base + "/.well-known/openid-configuration",
        "oidc.authorization_endpoint": provider.base + "/authorize", "oidc.token_endpoint": provider.base + "/token",
        "oidc.user_info_endpoint": provider.base + "/userinfo", "fetch_setting.allow_private_ip": "true",
        "fetch_setting.allowed_ports": "[]", "TelegramBotToken": BOT, "TelegramBotName": "bot",
        "TelegramOAuthEnabled": "true", "WeChatServerAddress": provider.base, "WeChatServerToken": "wechat-token",
        "WeChatAuthEnabled": "true",
    }  # fmt: skip
    for name, value in options.items():
        gateway.option(name, value)


@pytest.fixture
def browser(gateway: House) -> Browser:
    return Browser(gateway)


def human(**fields: Any) -> dict[str, Any]:
    """Somebody at the provider."""
    number = next(_numbers)
    return {"sub": f"u-{number}", "preferred_username": f"human{number}", "name": f"Human {number}", **fields}


def start(browser: Browser, slug: str = "oidc", aff: str = "") -> tuple[str, str]:
    """A state, and where the browser is sent."""
    reply = browser.ask("GET", f"/api/oauth/state?provider={slug}&aff={aff}").json()
    assert reply["success"], reply
    return reply["data"], reply["url"]


def back(slug: str = "oidc", **fields: str) -> str:
    return f"/api/oauth/{slug}?{urlencode(fields)}"


def sign_in(browser: Browser, provider: Provider, person: dict[str, Any], slug: str = "oidc") -> dict[str, Any]:
    """The whole way; what the last step answers."""
    state, url = start(browser, slug)
    found: dict[str, Any] = browser.ask("GET", back(slug, code=provider.consent(person, url), state=state)).json()
    if found["success"] and "id" in found["data"]:
        browser.account = found["data"]["id"]
    return found


def test_a_new_account(gateway: House, browser: Browser, provider: Provider) -> None:
    person = human(email="Ann@Example.org", email_verified=True)
    state, url = start(browser)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(provider.base + "/authorize?")
    assert asked["redirect_uri"] == SITE + "/oauth/oidc"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["nonce"]) >= 32
    assert asked["state"] == state
    cookie = browser.cookie("oauth")
    assert cookie is not None
    assert cookie.value not in url
    assert cookie.has_nonstandard_attr("HttpOnly")
    data = browser.get("GET", back(code=provider.consent(person, url), state=state))
    assert data.keys() == {"id", "username", "display_name", "role", "status", "group"}
    assert (data["username"], data["display_name"], data["role"]) == (person["preferred_username"], person["name"], 1)
    assert browser.cookie("oauth") is None
    browser.account = data["id"]
    told = browser.get("GET", "/api/user/self")
    assert (told["oidc_id"], told["email"], told["github_id"]) == (person["sub"], "ann@example.org", "")
    again = Browser(gateway)
    assert sign_in(again, provider, person)["data"]["id"] == data["id"], "the same person, the same account"
    line = gateway.manage("GET", f"/api/log/?type=7&username={data['username']}")["items"][0]
    assert '"login_method": "oidc"' in line["other"]
    # It has no password: nobody signs in by one, and its owner sets one without showing another.
    again.refused("POST", "/api/user/login", {"username": data["username"], "password": ""})
    again.get("PUT", "/api/user/self", {"username": data["username"], "password": "password-77"})


def test_a_console_that_builds_the_address_itself(browser: Browser, provider: Provider) -> None:
    """New API's console: a state alone, no PKCE, no nonce."""
    reply = browser.ask("GET", "/api/oauth/state").json()
    assert reply.keys() == {"success", "message", "data"}
    code = provider.consent(human(), redirect_uri=SITE + "/oauth/oidc")
    assert browser.get("GET", back(code=code, state=reply["data"]))["id"]


# -- attacks ------------------------------------------------------------------------------------------


def test_forged_states(gateway: House, browser: Browser, provider: Provider) -> None:
    person = human()
    thief = Browser(gateway)
    theirs, url = start(thief)
    code = provider.consent(human(), url)
    victim_state, _ = start(browser)
    for state in ("", "x", theirs, victim_state + "x", "\0", "ü" * 40):
        browser.refused("GET", back(code=code, state=state), status=403)
    assert code in provider.codes, "a code whose state is wrong is not even asked about"
    # One begun in a browser without its cookie has no state at all.
    state, url = start(browser)
    browser.jar.clear()
    browser.refused("GET", back(code=provider.consent(person, url), state=state), status=403)
    # Good once.
    state, url = start(browser)
    cookie = browser.cookie("oauth")
    assert cookie is not None
    code = provider.consent(person, url)
    browser.get("GET", back(code=code, state=state))
    again = Browser(gateway)
    again.jar.set_cookie(cookie)
    again.refused("GET", back(code=code, state=state), status=403)
    # And for ten minutes.
    state, url = start(again)
    gateway.rows("UPDATE proofs SET expires_at = 1 WHERE purpose = 'oauth'")
    again.refused("GET", back(code=provider.consent(person, url), state=state), status=403)


def test_replayed_and_injected_codes(gateway: House, browser: Browser, provider: Provider) -> None:
    person = human()
    state, url = start(browser)
    code = provider.consent(person, url)
    browser.get("GET", back(code=code, state=state))
    other = Browser(gateway)
    state, _ = start(other)
    assert "did not take the code" in other.refused("GET", back(code=code, state=state))
    assert provider.used[-1] == code
    # A code of another browser's sign-in does not fit this one's verifier (PKCE).
    _, url = start(browser)
    stolen = provider.consent(person, url)
    state, _ = start(other)
    other.refused("GET", back(code=stolen, state=state))
    assert other.cookie("session") is None
    for wrong in ("", "x" * 5000):
        state, _ = start(other)
        other.refused("GET", back(code=wrong, state=state))


@pytest.mark.parametrize(
    ("forge", "claims"),
    [("key", {}), ("none", {}), ("hs256", {}), ("missing", {}), ("", {"aud": "other"}), ("", {"iss": "https://evil.example"}),
     ("", {"exp": 1}), ("", {"nonce": "another"}), ("", {"nonce": None}), ("", {"sub": "somebody-else"}),
     ("", {"azp": "other"})],
)  # fmt: skip
def test_bad_proofs(browser: Browser, provider: Provider, forge: str, claims: dict[str, Any]) -> None:
    provider.forge, provider.claims = forge, claims
    try:
        assert not sign_in(browser, provider, human())["success"]
        assert browser.cookie("session") is None
    finally:
        provider.forge, provider.claims = "", {}


def test_keys_that_change(browser: Browser, provider: Provider) -> None:
    kid, provider.kid = provider.kid, "k2"
    try:
        # The published keys were fetched a moment ago: they are not fetched again for whoever asks.
        before = provider.asked.count("/jwks")
        assert not sign_in(browser, provider, human())["success"]
        assert not sign_in(browser, provider, human())["success"]
        assert provider.asked.count("/jwks") <= before + 1
    finally:
        provider.kid = kid


def test_unverified_mail_takes_nothing_over(gateway: House, browser: Browser, provider: Provider) -> None:
    victim = make(gateway)
    gateway.rows("UPDATE users SET email = 'victim@example.org' WHERE id = ?", victim.id)
    for proven in (False, None, "yes", True):
        attacker = Browser(gateway)
        person = human(email="victim@example.org", email_verified=proven)
        found = sign_in(attacker, provider, person)
        assert found["data"]["id"] != victim.id
        assert attacker.get("GET", "/api/user/self")["email"] == "", "not even proven: it is the victim's"
    person = human(email="new@example.org")
    sign_in(browser, provider, person)
    assert browser.get("GET", "/api/user/self")["email"] == "", "said, but not proven"


def test_mixed_up_providers(gateway: House, browser: Browser, provider: Provider, root: Person) -> None:
    other = custom(root, provider, "mixed")
    state, url = start(browser, "mixed")
    code = provider.consent({"id": 1}, url)
    browser.refused("GET", back("oidc", code=code, state=state), status=403)
    assert code in provider.codes, "the code of one was not shown to the other"
    state, url = start(browser)
    message = browser.refused("GET", back(code=provider.consent(human(), url), state=state, iss="https://evil.example"))
    assert "another provider" in message
    browser.refused("GET", back("nobody", code="x", state="y"), status=400)
    browser.refused("GET", "/api/oauth/state?provider=nobody", status=400)
    root.get("DELETE", f"/api/custom-oauth-provider/{other}")


def test_no_open_redirect(gateway: House, browser: Browser, provider: Provider) -> None:
    """Whatever the request says, the callback is the site's own."""
    for path in ("/api/oauth/state?provider=oidc&redirect_uri=https://evil.example",):
        reply = browser.ask("GET", path).json()
        assert parse_qs(urlsplit(reply["url"]).query)["redirect_uri"] == [SITE + "/oauth/oidc"]
    gateway.option("ServerAddress", "")
    try:
        assert "ServerAddress" in browser.refused("GET", "/api/oauth/state?provider=oidc")
    finally:
        gateway.option("ServerAddress", SITE)


def test_the_provider_says_no(browser: Browser, provider: Provider) -> None:
    state, _ = start(browser)
    message = browser.refused("GET", back(state=state, error="access_denied", error_description="Not\ntoday <b>"))
    assert "Nottoday <b>" in message
    for path, answer in (
        ("/userinfo", (500, "application/json", b"{}")), ("/userinfo", (200, "text/html", b"<html>")),
        ("/userinfo", (200, "application/json", b"[]")), ("/userinfo", (200, "application/json", b"{}")),
        ("/userinfo", (302, "application/json", b"{}")), ("/userinfo", (200, "application/json", b"x" * 2_000_000)),
        ("/token", (200, "application/json", b"{}")), ("/token", (200, "application/json", b'{"access_token": "a\\nb"}')),
        ("/token", (200, "application/json", b'{"access_token": 5}')), ("/token", (200, "application/json", b"[" * 9000)),
        ("/token", (302, "text/html", b"")),
    ):  # fmt: skip
        provider.answers = {path: answer}
        try:
            assert not sign_in(browser, provider, human())["success"], (path, answer[:2])
        finally:
            provider.answers = {}
    assert browser.cookie("session") is None


# -- binding ------------------------------------------------------------------------------------------


def test_binding(gateway: House, provider: Provider) -> None:
    person = human()
    mine = Browser(gateway).sign_in(make(gateway).name)
    assert sign_in(mine, provider, person)["data"] == {"action": "bind"}
    assert mine.get("GET", "/api/user/self")["oidc_id"] == person["sub"]
    assert sign_in(Browser(gateway), provider, person)["data"]["id"] == mine.account
    other = Browser(gateway).sign_in(make(gateway).name)
    assert "another account" in sign_in(other, provider, person)["message"]
    assert other.get("GET", "/api/user/self")["oidc_id"] == ""
    # Begun as one, ended as another; begun by nobody, ended by somebody.
    state, url = start(mine)
    cookie = mine.cookie("oauth")
    assert cookie is not None
    other.jar.set_cookie(cookie)
    other.refused("GET", back(code=provider.consent(human(), url), state=state), status=403)
    nobody = Browser(gateway)
    state, url = start(nobody)
    cookie = nobody.cookie("oauth")
    assert cookie is not None
    other.jar.set_cookie(cookie)
    other.refused("GET", back(code=provider.consent(human(), url), state=state), status=403)
    # A session that ended meanwhile binds nothing.
    state, url = start(mine)
    mine.get("POST", "/api/user/logout")
    mine.account = 0
    mine.refused("GET", back(code=provider.consent(human(), url), state=state), status=403)


def test_one_person_at_once_has_one_account(gateway: House, provider: Provider) -> None:
    person = human()

    def come(_: int) -> int:
        return int(sign_in(Browser(gateway), provider, person)["data"]["id"])

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(come, range(6)))) == 1


# -- who may come in ------------------------------------------------------------------------------------


def test_registration_rules(gateway: House, provider: Provider, browser: Browser) -> None:
    inviter = make(gateway)
    code = inviter.get("GET", "/api/user/aff")
    for name, value in (("QuotaForNewUser", "7"), ("QuotaForInvitee", "300"), ("QuotaForInviter", "11")):
        gateway.option(name, value)
    state, url = start(browser, aff=code)
    browser.account = browser.get("GET", back(code=provider.consent(human(), url), state=state))["id"]
    told = browser.get("GET", "/api/user/self")
    assert (told["quota"], told["inviter_id"]) == (307, inviter.id)
    assert inviter.get("GET", "/api/user/self")["aff_quota"] == 11
    gateway.option("RegisterEnabled", "false")
    person = human()
    assert "closed" in sign_in(Browser(gateway), provider, person)["message"]
    gateway.option("RegisterEnabled", "true")
    gateway.option("EmailDomainRestrictionEnabled", "true")
    gateway.option("EmailDomainWhitelist", "good.example")
    try:
        bad = human(email="a@bad.example", email_verified=True)
        assert "domain" in sign_in(Browser(gateway), provider, bad)["message"]
        gateway.option("EmailVerificationEnabled", "true")
        assert "proven" in sign_in(Browser(gateway), provider, person)["message"]
        assert sign_in(Browser(gateway), provider, human(email="a@good.example", email_verified=True))["success"]
    finally:
        gateway.option("EmailDomainRestrictionEnabled", "false")
        gateway.option("EmailVerificationEnabled", "false")


def test_names(gateway: House, provider: Provider) -> None:
    for wanted in ("root", "x" * 21, "a@b.c", "", " ", "new\nline", "ü" * 300):
        found = sign_in(Browser(gateway), provider, human(preferred_username=wanted))
        assert found["data"]["username"].startswith("oidc_"), wanted


def test_disabled_and_deleted_accounts(gateway: House, provider: Provider, browser: Browser, root: Person) -> None:
    person = human()
    sign_in(browser, provider, person)
    root.get("POST", "/api/user/manage", {"id": browser.account, "action": "disable"})
    assert "disabled" in sign_in(Browser(gateway), provider, person)["message"]
    root.get("POST", "/api/user/manage", {"id": browser.account, "action": "delete"})
    assert "deleted" in sign_in(Browser(gateway), provider, person)["message"]
    root.get("DELETE", f"/api/user/{browser.account}")
    assert sign_in(Browser(gateway), provider, person)["data"]["id"] != browser.account, "erased: a stranger again"


# -- custom providers -----------------------------------------------------------------------------------


def custom(root: Person, provider: Provider, slug: str, **fields: Any) -> int:
    body = {
        "name": "Custom", "slug": slug, "enabled": True, "client_id": CLIENT, "client_secret": SECRET, "icon": "key",
        "authorization_endpoint": provider.base + "/authorize", "token_endpoint": provider.base + "/token",
        "user_info_endpoint": provider.base + "/userinfo", "scopes": "profile", "user_id_field": "id",
        "username_field": "profile.login", **fields,
    }  # fmt: skip
    return int(root.get("POST", "/api/custom-oauth-provider/", body)["id"])


def test_custom_providers(gateway: House, provider: Provider, root: Person, browser: Browser, admin: Person) -> None:
    policy = '{"conditions": [{"field": "groups", "op": "contains", "value": "staff"}]}'
    made = custom(root, provider, "my-id", auth_style=2, access_policy=policy, access_denied_message="Staff only.")
    assert root.ask("GET", f"/api/custom-oauth-provider/{made}").body.count(SECRET.encode()) == 0
    told = Browser(gateway).get("GET", "/api/status")["custom_oauth_providers"]
    assert [(each["slug"], each["client_id"]) for each in told] == [("my-id", CLIENT)]
    provider.header_only = True
    try:
        refused = sign_in(browser, provider, {"id": 5, "groups": ["guests"]}, "my-id")
        assert "Staff only." in refused["message"]
        person = {"id": 5, "groups": ["staff"], "profile": {"login": "custom-5"}}
        assert sign_in(browser, provider, person, "my-id")["data"]["username"] == "custom-5"
    finally:
        provider.header_only = False
    shown = [{"provider_id": made, "provider_name": "Custom", "provider_slug": "my-id", "provider_icon": "key",
              "provider_user_id": "5"}]  # fmt: skip
    assert browser.get("GET", "/api/user/oauth/bindings") == shown
    assert admin.get("GET", f"/api/user/{browser.account}/oauth/bindings") == shown
    admin.refused("GET", f"/api/user/{root.id}/oauth/bindings")
    assert "only way" in browser.refused("DELETE", f"/api/user/oauth/bindings/{made}")
    assert "bound" in root.refused("DELETE", f"/api/custom-oauth-provider/{made}")
    admin.get("DELETE", f"/api/user/{browser.account}/oauth/bindings/{made}")
    assert browser.get("GET", "/api/user/oauth/bindings") == []
    path = f"/api/custom-oauth-provider/{made}"
    changed = root.get("PUT", path, {"name": "", "icon": "", "enabled": False, "scopes": "openid", "access_policy": ""})
    assert (changed["name"], changed["icon"], changed["enabled"], changed["access_policy"]) == ("Custom", "", False, "")
    assert "off" in browser.refused("GET", "/api/oauth/state?provider=my-id")
    assert "custom_oauth_providers" not in Browser(gateway).get("GET", "/api/status")
    stored = gateway.rows("SELECT client_secret FROM custom_oauth_providers")
    assert SECRET not in str([tuple(row) for row in stored])
    root.get("DELETE", path)
    root.refused("GET", path)


@pytest.mark.parametrize(
    "fields",
    [{"slug": "github"}, {"slug": "state"}, {"slug": "A"}, {"slug": "a/b"}, {"slug": "-a"}, {"slug": ""}, {"name": ""},
     {"client_secret": ""}, {"token_endpoint": "ftp://x"}, {"token_endpoint": "http://u:p@x/"}, {"user_info_endpoint": "x"},
     {"authorization_endpoint": "javascript:alert(1)"}, {"well_known": "file:///etc/passwd"}, {"auth_style": 3},
     {"access_policy": "{}"}, {"access_policy": '{"conditions": [{"field": "a", "op": "x"}]}'}, {"user_id_field": "a..b"},
     {"name": "x" * 65}, {"scopes": 5}, {"enabled": "yes"}],
)  # fmt: skip
def test_bad_providers(provider: Provider, root: Person, fields: dict[str, Any]) -> None:
    body = {
        "name": "C", "slug": "bad-one", "client_id": "c", "client_secret": "s", "authorization_endpoint": provider.base,
        "token_endpoint": provider.base, "user_info_endpoint": provider.base, **fields,
    }  # fmt: skip
    root.refused("POST", "/api/custom-oauth-provider/", body)


def test_discovery(gateway: House, provider: Provider, root: Person) -> None:
    path = "/api/custom-oauth-provider/discovery"
    found = root.get("POST", path, {"issuer_url": provider.base + "/"})
    assert found["well_known_url"] == provider.base + "/.well-known/openid-configuration"
    assert found["discovery"]["token_endpoint"] == provider.base + "/token"
    assert "internal_note" not in found["discovery"]
    assert root.get("POST", path, {"well_known_url": found["well_known_url"]}) == found
    for wrong in ({}, {"issuer_url": "file:///etc"}, {"well_known_url": provider.base + "/nothing"},
                  {"well_known_url": provider.base + "/jwks"}):  # fmt: skip
        root.refused("POST", path, wrong)
    gateway.option("fetch_setting.allow_private_ip", "false")
    try:
        for inside in (provider.base, "http://169.254.169.254", "http://localhost:80", "http://[::ffff:127.0.0.1]"):
            assert "not fetched" in root.refused("POST", path, {"issuer_url": inside})
    finally:
        gateway.option("fetch_setting.allow_private_ip", "true")


def test_administrators_take_bindings_away(gateway: House, provider: Provider, admin: Person) -> None:
    person = human(email="bound@example.org", email_verified=True)
    browser = Browser(gateway)
    sign_in(browser, provider, person)
    path = f"/api/user/{browser.account}/bindings/"
    for wrong in ("nothing", "custom%3A1"):
        admin.refused("DELETE", path + wrong)
    for kind, column in (("oidc", "oidc_id"), ("email", "email")):
        assert browser.get("GET", "/api/user/self")[column]
        admin.get("DELETE", path + kind)
        assert browser.get("GET", "/api/user/self")[column] == ""
    admin.refused("DELETE", f"/api/user/{gateway.root_id}/bindings/email")


# -- Telegram, WeChat -------------------------------------------------------------------------------------


def telegram(**fields: str) -> str:
    return urlencode(signed(auth_date=str(int(time.time())), **fields))


def test_telegram(gateway: House) -> None:
    mine = Browser(gateway).sign_in(make(gateway).name)
    person = str(next(_numbers) + 10_000)
    fields = telegram(id=person)
    assert "bind it first" in Browser(gateway).refused("GET", "/api/oauth/telegram/login?" + fields)
    Browser(gateway).refused(
        "GET", "/api/oauth/telegram/bind?" + telegram(id=person, username="n"), status=403
    )  # nobody
    mine.account, account = 0, mine.account  # the widget's visit names no account
    assert "used before" in mine.refused("GET", "/api/oauth/telegram/bind?" + fields)
    reply = mine.ask("GET", "/api/oauth/telegram/bind?" + telegram(id=person, username="a"))
    assert (reply.status, reply.headers["location"]) == (302, "/console/personal")
    other = Browser(gateway)
    fields = telegram(id=person, username="b")
    assert other.get("GET", "/api/oauth/telegram/login?" + fields)["id"] == account
    assert "used before" in Browser(gateway).refused("GET", "/api/oauth/telegram/login?" + fields)
    for wrong in (fields + "&id=1", fields.replace("hash=", "hash=0"), "", "id=1&hash=x&auth_date=1"):
        Browser(gateway).refused("GET", "/api/oauth/telegram/login?" + wrong)
    thief = Browser(gateway).sign_in(make(gateway).name)
    assert "another account" in thief.refused("GET", "/api/oauth/telegram/bind?" + telegram(id=person, username="c"))


def test_wechat(gateway: House, provider: Provider) -> None:
    provider.wechat = {"111111": "wx-1", "222222": "wx-1", "333333": "wx-2", "444444": "wx-1"}
    first, second = Browser(gateway), Browser(gateway)
    found = first.get("GET", "/api/oauth/wechat?code=111111")
    assert found["username"].startswith("wechat_")
    assert second.get("GET", "/api/oauth/wechat?code=222222")["id"] == found["id"]
    for wrong in ("", "111111", "000000", "x" * 100):
        Browser(gateway).refused("GET", "/api/oauth/wechat?code=" + wrong)
    mine = Browser(gateway).sign_in(make(gateway).name)
    assert "another account" in mine.refused("POST", "/api/oauth/wechat/bind", {"code": "444444"})
    mine.get("POST", "/api/oauth/wechat/bind", {"code": "333333"})
    assert mine.get("GET", "/api/user/self")["wechat_id"] == "wx-2"
