"""Setup, status, public texts, registration, sign-in."""

from __future__ import annotations

import contextlib
from typing import Any, Literal, Protocol

import grpc
import orjson
from isthmus.v1 import access_pb2

from front.errors import bad
from front.rest import shapes
from front.rest.manager import COOKIE, PENDING_COOKIE, VERIFICATION_COOKIE, Call, Level, Raw, Route

SESSION_SECONDS = 30 * 24 * 3600
"""As New API's cookie."""
PENDING_SECONDS = 300
"""How long core waits for the second step."""
PROOF_COOKIE = "passkey_proof"
"""A passkey that was shown a moment ago."""
PROVIDER_FIELDS = ("id", "name", "slug", "icon", "client_id", "authorization_endpoint", "scopes")
SESSION_FIELDS = ("id", "username", "display_name", "role", "status", "group")


async def setup_state(c: Call) -> Any:
    """Whether the first administrator exists."""
    status = await c.m.access.GetStatus(access_pb2.GetStatusRequest(), metadata=c.who)
    return {"status": status.set_up, "root_init": False, "database_type": "" if status.set_up else status.database}


async def setup(c: Call) -> Any:
    """Makes the first administrator."""
    body = await c.body()
    if body.text("password") != body.text("confirmPassword"):
        raise bad("The two passwords differ.", "confirmPassword")
    asked = access_pb2.SetUpRequest(
        username=body.text("username"),
        password=body.text("password"),
        self_use_mode=body.flag("SelfUseModeEnabled"),
        demo_site=body.flag("DemoSiteEnabled"),
    )
    await c.m.access.SetUp(asked, metadata=c.who)


def _on(options: Any, name: str) -> bool:
    return bool(options[name] == "true")


def _json(text: str, otherwise: Any) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return otherwise


CONSOLE_LISTS = {
    "api_info": ("console_setting.api_info", "console_setting.api_info_enabled"),
    "announcements": ("console_setting.announcements", "console_setting.announcements_enabled"),
    "faq": ("console_setting.faq", "console_setting.faq_enabled"),
}
"""Lists that the console's first page shows: member -> option, switch."""


def _console(options: Any) -> dict[str, Any]:
    """The lists that are switched on; announcements newest first."""
    told: dict[str, Any] = {}
    for name, (option, switch) in CONSOLE_LISTS.items():
        told[f"{name}_enabled"] = _on(options, switch)
        if told[f"{name}_enabled"]:
            told[name] = _json(options[option], [])
    if "announcements" in told:
        told["announcements"].sort(key=lambda row: str(row.get("publishDate", "")), reverse=True)
    return told


async def status(c: Call) -> Any:
    """What anybody may know of the site; members of features that are not built are absent."""
    found = await c.m.access.GetStatus(access_pb2.GetStatusRequest(), metadata=c.who)
    options = found.options
    providers = [{name: getattr(each, name) for name in PROVIDER_FIELDS} for each in found.oauth_providers]
    return {
        "version": found.version,
        "start_time": found.started,
        "setup": found.set_up,
        "system_name": options["SystemName"],
        "logo": options["Logo"],
        "footer_html": options["Footer"],
        "server_address": options["ServerAddress"],
        "docs_link": options["general_setting.docs_link"],
        "top_up_link": options["TopUpLink"],
        "HeaderNavModules": options["HeaderNavModules"],
        "SidebarModulesAdmin": options["SidebarModulesAdmin"],
        "default_collapse_sidebar": _on(options, "DefaultCollapseSidebar"),
        "demo_site_enabled": _on(options, "DemoSiteEnabled"),
        "self_use_mode_enabled": _on(options, "SelfUseModeEnabled"),
        "email_verification": _on(options, "EmailVerificationEnabled"),
        "register_enabled": _on(options, "RegisterEnabled"),
        "password_login_enabled": _on(options, "PasswordLoginEnabled"),
        "password_register_enabled": _on(options, "PasswordRegisterEnabled"),
        "quota_per_unit": float(options["QuotaPerUnit"]),
        "display_in_currency": _on(options, "DisplayInCurrencyEnabled"),
        "quota_display_type": options["general_setting.quota_display_type"],
        "custom_currency_symbol": options["general_setting.custom_currency_symbol"],
        "custom_currency_exchange_rate": float(options["general_setting.custom_currency_exchange_rate"]),
        "usd_exchange_rate": float(options["USDExchangeRate"]),
        "price": float(options["Price"]),
        "min_topup": float(options["MinTopUp"]),
        "enable_data_export": _on(options, "DataExportEnabled"),
        "data_export_default_time": options["DataExportDefaultTime"],
        "default_use_auto_group": _on(options, "DefaultUseAutoGroup"),
        "chats": _json(options["Chats"], []),
        "turnstile_check": _on(options, "TurnstileCheckEnabled"),
        "turnstile_site_key": options["TurnstileSiteKey"],
        "checkin_enabled": _on(options, "checkin_setting.enabled"),
        "github_oauth": _on(options, "GitHubOAuthEnabled"),
        "github_client_id": options["GitHubClientId"],
        "discord_oauth": _on(options, "discord.enabled"),
        "discord_client_id": options["discord.client_id"],
        "linuxdo_oauth": _on(options, "LinuxDOOAuthEnabled"),
        "linuxdo_client_id": options["LinuxDOClientId"],
        "linuxdo_minimum_trust_level": int(options["LinuxDOMinimumTrustLevel"]),
        "telegram_oauth": _on(options, "TelegramOAuthEnabled"),
        "telegram_bot_name": options["TelegramBotName"],
        "wechat_login": _on(options, "WeChatAuthEnabled"),
        "wechat_qrcode": options["WeChatAccountQRCodeImageURL"],
        "oidc_enabled": _on(options, "oidc.enabled"),
        "oidc_client_id": options["oidc.client_id"],
        "oidc_authorization_endpoint": options["oidc.authorization_endpoint"],
        **({"custom_oauth_providers": providers} if providers else {}),
        "passkey_login": _on(options, "passkey.enabled"),
        "passkey_display_name": options["passkey.rp_display_name"],
        "passkey_rp_id": options["passkey.rp_id"],
        "passkey_origins": options["passkey.origins"],
        "passkey_allow_insecure": _on(options, "passkey.allow_insecure_origin"),
        "passkey_user_verification": options["passkey.user_verification"],
        "passkey_attachment": options["passkey.attachment_preference"],
        "user_agreement_enabled": bool(options["legal.user_agreement"]),
        "privacy_policy_enabled": bool(options["legal.privacy_policy"]),
        **_console(options),
    }


def _text(option: str) -> Any:
    """A route that tells one public text."""

    async def told(c: Call) -> Any:
        found = await c.m.access.GetStatus(access_pb2.GetStatusRequest(), metadata=c.who)
        return found.options[option]

    return told


async def test_status(c: Call) -> Any:
    """Whether the database answers, and how many requests are under way here."""
    await c.m.access.GetStatus(access_pb2.GetStatusRequest(), metadata=c.who)
    return Raw({"success": True, "message": "Server is running", "http_stats": {"active_connections": c.m.running()}})


def turnstile(c: Call) -> str:
    """Turnstile's token, whole or so long that core refuses it."""
    return str(c.request.args.get("turnstile", "") or "")[:4096]


async def register(c: Call) -> Any:
    """A new account, where registration is open."""
    body = await c.body()
    asked = access_pb2.RegisterRequest(
        username=body.text("username"),
        password=body.text("password"),
        invitation_code=body.text("aff_code"),
        email=body.text("email"),
        verification_code=body.text("verification_code"),
        turnstile=turnstile(c),
    )
    await c.m.access.Register(asked, metadata=c.who)


def with_cookie(
    reply: Raw, c: Call, name: str, value: str, seconds: int, samesite: Literal["Strict", "Lax"] = "Strict"
) -> Raw:
    """The reply with a cookie that scripts never see, nor (Strict) a visit that another site makes."""
    reply.response.add_cookie(
        name,
        value,
        path="/",
        httponly=True,
        samesite=samesite,
        secure=c.m.settings.secure_cookie,
        max_age=seconds,
    )
    return reply


async def login(c: Call) -> Any:
    """Opens a session."""
    body = await c.body()
    asked = access_pb2.LoginRequest(
        username=body.text("username"), password=body.text("password"), turnstile=turnstile(c)
    )
    found = await c.m.access.Login(asked, metadata=c.who)
    return pending(c, found.pending) if found.pending else opened(c, found)


def pending(c: Call, secret: str) -> Raw:
    """The second step is wanted."""
    reply = Raw({"success": True, "message": "", "data": {"require_2fa": True}})
    return with_cookie(reply, c, PENDING_COOKIE, secret, PENDING_SECONDS)


async def finish_login(c: Call) -> Any:
    """The second step: a code, from the browser that gave the password."""
    secret = str(c.request.cookies.get(PENDING_COOKIE, "") or "")
    asked = access_pb2.FinishLoginRequest(pending=secret, code=(await c.body()).text("code"))
    found = await c.m.access.FinishLogin(asked, metadata=c.who)
    return with_cookie(opened(c, found), c, PENDING_COOKIE, "", 0)


class Opened(Protocol):
    """Every answer that opens a session."""

    account: access_pb2.Account
    session: str


def opened(c: Call, found: Opened) -> Raw:
    """The account, and the session as a cookie."""
    shown = {name: value for name, value in shapes.account(found.account).items() if name in SESSION_FIELDS}
    reply = Raw({"success": True, "message": "", "data": shown})
    return with_cookie(reply, c, COOKIE, found.session, SESSION_SECONDS)


async def logout(c: Call) -> Any:
    """The session ends, and the browser forgets it."""
    session = str(c.request.cookies.get(COOKIE, "") or "")
    if session and session.isascii() and session.isprintable():
        with contextlib.suppress(grpc.aio.AioRpcError):  # it may have ended before
            await c.m.access.Logout(access_pb2.LogoutRequest(), metadata=[*c.who, ("isthmus-session", session)])
    return forgotten(c)


def forgotten(c: Call) -> Raw:
    """A reply after which the browser shows nothing more."""
    reply = Raw({"success": True, "message": ""})
    for name in (VERIFICATION_COOKIE, PENDING_COOKIE, COOKIE):
        with_cookie(reply, c, name, "", 0)
    return reply


async def logout_everywhere(c: Call) -> Any:
    """Every session of the account ends."""
    await c.m.access.Logout(access_pb2.LogoutRequest(everywhere=True), metadata=c.who)
    return forgotten(c)


async def verify(c: Call) -> Any:
    """Proves the session's owner once more, for routes that ask for it."""
    body = await c.body()
    method = body.text("method")
    shown = str(c.request.cookies.get(PROOF_COOKIE, "") or "") if method == "passkey" else ""
    asked = access_pb2.VerifyRequest(method=method, code=shown or body.text("code") or body.text("password"))
    found = await c.m.access.Verify(asked, metadata=c.who)
    data = {"verified": True, "expires_at": found.expires_at}
    reply = Raw({"success": True, "message": "", "data": data})
    return with_cookie(reply, c, VERIFICATION_COOKIE, found.verification, 300)


ROUTES = (
    Route("GET", "/api/setup", Level.PUBLIC, setup_state),
    Route("POST", "/api/setup", Level.PUBLIC, setup),
    Route("GET", "/api/status", Level.PUBLIC, status),
    Route("GET", "/api/status/test", Level.ADMIN, test_status),
    Route("GET", "/api/notice", Level.PUBLIC, _text("Notice")),
    Route("GET", "/api/about", Level.PUBLIC, _text("About")),
    Route("GET", "/api/home_page_content", Level.PUBLIC, _text("HomePageContent")),
    Route("GET", "/api/user-agreement", Level.PUBLIC, _text("legal.user_agreement")),
    Route("GET", "/api/privacy-policy", Level.PUBLIC, _text("legal.privacy_policy")),
    Route("POST", "/api/user/register", Level.PUBLIC, register, limit="critical"),
    Route("POST", "/api/user/login", Level.PUBLIC, login, limit="critical"),
    Route("POST", "/api/user/login/2fa", Level.PUBLIC, finish_login, limit="critical"),
    Route("GET", "/api/user/logout", Level.PUBLIC, logout),
    Route("POST", "/api/user/logout", Level.USER, logout_everywhere),
    Route("POST", "/api/verify", Level.USER, verify, limit="critical"),
)
