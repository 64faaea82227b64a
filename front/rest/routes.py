"""The management routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from isthmus.v1 import access_pb2, admin_pb2, billing_pb2
from sanic import Request
from sanic.response import HTTPResponse

from front.errors import bad
from front.rest import shapes
from front.rest.manager import COOKIE, Manager, Raw, items, number, page, text
from front.settings import FrontSettings

MODES = {
    "single": admin_pb2.CREATE_CHANNEL_MODE_SINGLE,
    "batch": admin_pb2.CREATE_CHANNEL_MODE_BATCH,
    "multi_to_single": admin_pb2.CREATE_CHANNEL_MODE_MULTI_TO_SINGLE,
}
UNLIMITED_USD = 100_000_000


class Routes:
    """One method a route; what it returns is `data`."""

    def __init__(self, manager: Manager) -> None:
        self.m = manager

    # -- setup, status, session ---------------------------------------------------------------

    async def setup_state(self, request: Request) -> Any:
        status = await self.m.access.GetStatus(access_pb2.GetStatusRequest(), metadata=self.m.nobody(request))
        return {
            "status": status.set_up,
            "root_init": False,
            "database_type": "" if status.set_up else status.database,
        }

    async def setup(self, request: Request) -> Any:
        body = await self.m.body(request)
        if body.get("password") != body.get("confirmPassword"):
            raise bad("The two passwords differ.", "confirmPassword")
        asked = access_pb2.SetUpRequest(
            username=str(body.get("username") or ""),
            password=str(body.get("password") or ""),
            self_use_mode=bool(body.get("SelfUseModeEnabled")),
            demo_site=bool(body.get("DemoSiteEnabled")),
        )
        await self.m.access.SetUp(asked, metadata=self.m.nobody(request))

    async def status(self, request: Request) -> Any:
        found = await self.m.access.GetStatus(access_pb2.GetStatusRequest(), metadata=self.m.nobody(request))
        options = found.options
        return {
            "version": found.version,
            "start_time": found.started,
            "setup": found.set_up,
            "system_name": options["SystemName"],
            "logo": options["Logo"],
            "footer_html": options["Footer"],
            "server_address": options["ServerAddress"],
            "docs_link": options["general_setting.docs_link"],
            "quota_per_unit": float(options["QuotaPerUnit"]),
            "display_in_currency": options["DisplayInCurrencyEnabled"] == "true",
            "demo_site_enabled": options["DemoSiteEnabled"] == "true",
            "self_use_mode_enabled": options["SelfUseModeEnabled"] == "true",
        }

    async def login(self, request: Request) -> Any:
        body = await self.m.body(request)
        asked = access_pb2.LoginRequest(
            username=str(body.get("username") or ""), password=str(body.get("password") or "")
        )
        found = await self.m.access.Login(asked, metadata=self.m.nobody(request))
        shown = {
            name: value
            for name, value in shapes.account(found.account).items()
            if name in ("id", "username", "display_name", "role", "status", "group")
        }
        response = HTTPResponse(
            orjson.dumps({"success": True, "message": "", "data": shown}), 200, {}, "application/json"
        )
        response.add_cookie(
            COOKIE,
            found.session,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self.m.settings.secure_cookie,
            max_age=30 * 24 * 3600,
        )
        return Raw(response)

    async def logout(self, request: Request) -> Any:
        response = HTTPResponse(orjson.dumps({"success": True, "message": ""}), 200, {}, "application/json")
        response.delete_cookie(COOKIE, path="/")
        return Raw(response)

    async def me(self, request: Request) -> Any:
        found = await self.m.access.GetSelf(access_pb2.GetSelfRequest(), metadata=self.m.caller(request))
        return shapes.account(found.account)

    async def access_token(self, request: Request) -> Any:
        found = await self.m.access.RotateAccessToken(
            access_pb2.RotateAccessTokenRequest(), metadata=self.m.caller(request)
        )
        return found.token

    # -- users --------------------------------------------------------------------------------

    async def users(self, request: Request) -> Any:
        asked = admin_pb2.ListAccountsRequest(
            page=page(request), keyword=text(request, "keyword"), group=text(request, "group")
        )
        found = await self.m.admin.ListAccounts(asked, metadata=self.m.caller(request))
        return items(found.page, [shapes.account(row) for row in found.accounts])

    async def user(self, request: Request, user_id: int) -> Any:
        found = await self.m.admin.GetAccount(admin_pb2.GetAccountRequest(id=user_id), metadata=self.m.caller(request))
        return shapes.account(found.account)

    async def create_user(self, request: Request) -> Any:
        caller, body = self.m.caller(request), await self.m.body(request)
        asked = admin_pb2.CreateAccountRequest(
            username=str(body.get("username") or ""),
            password=str(body.get("password") or ""),
            display_name=str(body.get("display_name") or ""),
            role=access_pb2.AccountRole.ValueType(int(body.get("role") or 1)),
        )
        await self.m.admin.CreateAccount(asked, metadata=caller)

    async def update_user(self, request: Request) -> Any:
        caller, body = self.m.caller(request), await self.m.body(request)
        asked = admin_pb2.UpdateAccountRequest(id=int(body.get("id") or 0))
        for name in ("username", "password", "display_name", "group", "remark"):
            if isinstance(body.get(name), str) and (body[name] or name == "remark"):
                setattr(asked, name, body[name])
        if isinstance(body.get("quota"), int):
            asked.quota = body["quota"]
        await self.m.admin.UpdateAccount(asked, metadata=caller)

    async def manage_user(self, request: Request) -> Any:
        caller, body = self.m.caller(request), await self.m.body(request)
        asked = admin_pb2.ManageAccountRequest(
            id=int(body.get("id") or 0),
            action=str(body.get("action") or ""),
            mode=str(body.get("mode") or ""),
            value=int(body.get("value") or 0),
        )
        found = await self.m.admin.ManageAccount(asked, metadata=caller)
        return {"role": found.account.role, "status": found.account.status}

    async def delete_user(self, request: Request, user_id: int) -> Any:
        asked = admin_pb2.ManageAccountRequest(id=user_id, action="delete")
        await self.m.admin.ManageAccount(asked, metadata=self.m.caller(request))

    # -- tokens -------------------------------------------------------------------------------

    async def tokens(self, request: Request) -> Any:
        asked = admin_pb2.ListKeysRequest(
            page=page(request), keyword=text(request, "keyword"), secret=text(request, "token")
        )
        found = await self.m.admin.ListKeys(asked, metadata=self.m.caller(request))
        return items(found.page, [shapes.key(row) for row in found.keys])

    async def token(self, request: Request, key_id: int) -> Any:
        found = await self.m.admin.GetKey(admin_pb2.GetKeyRequest(id=key_id), metadata=self.m.caller(request))
        return shapes.key(found.key)

    async def create_token(self, request: Request) -> Any:
        caller, body = self.m.caller(request), await self.m.body(request)
        await self.m.admin.CreateKey(admin_pb2.CreateKeyRequest(key=shapes.to_key(body)), metadata=caller)

    async def update_token(self, request: Request) -> Any:
        caller, body = self.m.caller(request), await self.m.body(request)
        asked = admin_pb2.UpdateKeyRequest(key=shapes.to_key(body), status_only=bool(text(request, "status_only")))
        found = await self.m.admin.UpdateKey(asked, metadata=caller)
        return shapes.key(found.key)

    async def delete_token(self, request: Request, key_id: int) -> Any:
        await self.m.admin.DeleteKeys(admin_pb2.DeleteKeysRequest(ids=[key_id]), metadata=self.m.caller(request))

    async def delete_tokens(self, request: Request) -> Any:
        caller, body = self.m.caller(request), await self.m.body(request)
        ids = [item for item in body.get("ids") or [] if isinstance(item, int)]
        found = await self.m.admin.DeleteKeys(admin_pb2.DeleteKeysRequest(ids=ids), metadata=caller)
        return found.deleted

    async def reveal_token(self, request: Request, key_id: int) -> Any:
        found = await self.m.admin.RevealKey(admin_pb2.RevealKeyRequest(id=key_id), metadata=self.m.caller(request))
        return {"key": found.secret}

    # -- channels -----------------------------------------------------------------------------

    async def channels(self, request: Request) -> Any:
        asked = admin_pb2.ListChannelsRequest(
            page=page(request),
            keyword=text(request, "keyword"),
            group=text(request, "group"),
            model=text(request, "model"),
            type=number(request, "type"),
            id_sort=text(request, "id_sort") == "true",
        )
        found = await self.m.admin.ListChannels(asked, metadata=self.m.caller(request))
        counts = {str(kind): count for kind, count in found.type_counts.items()}
        return {
            **items(found.page, [shapes.channel(row) for row in found.channels]),
            "type_counts": {**counts, "all": sum(found.type_counts.values())},
        }

    async def channel(self, request: Request, channel_id: int) -> Any:
        found = await self.m.admin.GetChannel(
            admin_pb2.GetChannelRequest(id=channel_id), metadata=self.m.caller(request)
        )
        return shapes.channel(found.channel)

    async def create_channel(self, request: Request) -> Any:
        caller, body = self.m.caller(request), await self.m.body(request)
        mode, sent = body.get("mode"), body.get("channel")
        if mode not in MODES or not isinstance(sent, dict):
            raise bad(f"mode must be one of {', '.join(MODES)}, channel an object.", "mode")
        channel, _ = shapes.to_channel(sent)
        channel.multi_key_mode = str(body.get("multi_key_mode") or "")
        await self.m.admin.CreateChannels(
            admin_pb2.CreateChannelsRequest(channel=channel, mode=MODES[mode]), metadata=caller
        )

    async def update_channel(self, request: Request) -> Any:
        caller, body = self.m.caller(request), await self.m.body(request)
        channel, fields = shapes.to_channel(body)
        found = await self.m.admin.UpdateChannel(
            admin_pb2.UpdateChannelRequest(channel=channel, fields=fields), metadata=caller
        )
        return shapes.channel(found.channel)

    async def delete_channel(self, request: Request, channel_id: int) -> Any:
        await self.m.admin.DeleteChannels(
            admin_pb2.DeleteChannelsRequest(ids=[channel_id]), metadata=self.m.caller(request)
        )

    async def test_channel(self, request: Request, channel_id: int) -> Any:
        asked = admin_pb2.TestChannelRequest(
            id=channel_id, model=text(request, "model"), stream=text(request, "stream") == "true"
        )
        found = await self.m.admin.TestChannel(asked, metadata=self.m.caller(request))
        body = {"success": found.ok, "message": found.fault.message, "time": found.seconds}
        return Raw(HTTPResponse(orjson.dumps(body), 200, {}, "application/json"))

    # -- options, logs, usage -----------------------------------------------------------------

    async def options(self, request: Request) -> Any:
        found = await self.m.admin.ListOptions(admin_pb2.ListOptionsRequest(), metadata=self.m.caller(request))
        return [{"key": name, "value": value} for name, value in sorted(found.options.items())]

    async def set_option(self, request: Request) -> Any:
        caller, body = self.m.caller(request), await self.m.body(request)
        value = body.get("value")
        if isinstance(value, bool):
            value = str(value).lower()
        if isinstance(value, int | float):
            value = str(value)
        if not isinstance(body.get("key"), str) or not isinstance(value, str):
            raise bad("key and value are wanted.", "key")
        await self.m.admin.SetOptions(admin_pb2.SetOptionsRequest(options={body["key"]: value}), metadata=caller)

    async def _logs(self, request: Request, everybody: bool) -> Any:
        asked = admin_pb2.ListLogsRequest(
            page=page(request),
            type=admin_pb2.LogType.ValueType(number(request, "type")),
            all_accounts=everybody,
            username=text(request, "username"),
            key_name=text(request, "token_name"),
            model=text(request, "model_name"),
            channel_id=number(request, "channel"),
            group=text(request, "group"),
            request_id=text(request, "request_id"),
            since=number(request, "start_timestamp"),
            until=number(request, "end_timestamp"),
        )
        found = await self.m.admin.ListLogs(asked, metadata=self.m.caller(request))
        return items(found.page, [shapes.log(row, everybody) for row in found.logs])

    async def logs(self, request: Request) -> Any:
        return await self._logs(request, True)

    async def own_logs(self, request: Request) -> Any:
        return await self._logs(request, False)

    async def key_usage(self, request: Request) -> Any:
        found = await self.m.billing.GetKeyUsage(billing_pb2.GetKeyUsageRequest(), metadata=self.m.key(request))
        data = {
            "object": "token_usage",
            "name": found.name,
            "total_granted": found.granted,
            "total_used": found.used,
            "total_available": found.available,
            "unlimited_quota": found.unlimited,
            "model_limits": dict.fromkeys(found.models, True),
            "model_limits_enabled": bool(found.models),
            "expires_at": max(found.expires_at, 0),
        }
        body = {"code": True, "message": "ok", "data": data}
        return Raw(HTTPResponse(orjson.dumps(body), 200, {}, "application/json"))

    async def subscription(self, request: Request) -> Any:
        found = await self.m.billing.GetKeyUsage(billing_pb2.GetKeyUsageRequest(), metadata=self.m.key(request))
        limit = UNLIMITED_USD if found.unlimited else found.granted / 500_000
        body = {
            "object": "billing_subscription",
            "has_payment_method": True,
            "soft_limit_usd": limit,
            "hard_limit_usd": limit,
            "system_hard_limit_usd": limit,
            "access_until": max(found.expires_at, 0),
        }
        return Raw(HTTPResponse(orjson.dumps(body), 200, {}, "application/json"))

    async def usage(self, request: Request) -> Any:
        found = await self.m.billing.GetKeyUsage(billing_pb2.GetKeyUsageRequest(), metadata=self.m.key(request))
        body = {"object": "list", "total_usage": found.used / 5000}
        return Raw(HTTPResponse(orjson.dumps(body), 200, {}, "application/json"))


def add_routes(add: Callable[[Any, str, str], None], channel: Any, settings: FrontSettings) -> None:
    """Registers every management route that is built."""
    routes = Routes(Manager(channel, settings))
    table: tuple[tuple[str, str, Any], ...] = (
        ("GET", "/api/setup", routes.setup_state),
        ("POST", "/api/setup", routes.setup),
        ("GET", "/api/status", routes.status),
        ("POST", "/api/user/login", routes.login),
        ("GET", "/api/user/logout", routes.logout),
        ("GET", "/api/user/self", routes.me),
        ("GET", "/api/user/token", routes.access_token),
        ("GET", "/api/user/", routes.users),
        ("POST", "/api/user/", routes.create_user),
        ("PUT", "/api/user/", routes.update_user),
        ("GET", "/api/user/search", routes.users),
        ("POST", "/api/user/manage", routes.manage_user),
        ("GET", "/api/user/<user_id:int>", routes.user),
        ("DELETE", "/api/user/<user_id:int>", routes.delete_user),
        ("GET", "/api/token/", routes.tokens),
        ("POST", "/api/token/", routes.create_token),
        ("PUT", "/api/token/", routes.update_token),
        ("GET", "/api/token/search", routes.tokens),
        ("POST", "/api/token/batch", routes.delete_tokens),
        ("GET", "/api/token/<key_id:int>", routes.token),
        ("DELETE", "/api/token/<key_id:int>", routes.delete_token),
        ("POST", "/api/token/<key_id:int>/key", routes.reveal_token),
        ("GET", "/api/channel/", routes.channels),
        ("POST", "/api/channel/", routes.create_channel),
        ("PUT", "/api/channel/", routes.update_channel),
        ("GET", "/api/channel/search", routes.channels),
        ("GET", "/api/channel/test/<channel_id:int>", routes.test_channel),
        ("GET", "/api/channel/<channel_id:int>", routes.channel),
        ("DELETE", "/api/channel/<channel_id:int>", routes.delete_channel),
        ("GET", "/api/option/", routes.options),
        ("PUT", "/api/option/", routes.set_option),
        ("GET", "/api/log/", routes.logs),
        ("GET", "/api/log/self", routes.own_logs),
        ("GET", "/api/usage/token/", routes.key_usage),
        ("GET", "/dashboard/billing/subscription", routes.subscription),
        ("GET", "/v1/dashboard/billing/subscription", routes.subscription),
        ("GET", "/dashboard/billing/usage", routes.usage),
        ("GET", "/v1/dashboard/billing/usage", routes.usage),
    )
    for method, path, work in table:
        add(routes.m.route(work), path, method)
