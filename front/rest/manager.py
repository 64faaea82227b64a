"""What management routes share: the route's row, the caller's metadata, limits, New API's reply and its errors."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import grpc
import orjson
from isthmus.v1 import (
    access_pb2,
    access_pb2_grpc,
    admin_pb2_grpc,
    billing_pb2_grpc,
    catalog_pb2_grpc,
    common_pb2,
    models_pb2_grpc,
    payment_pb2_grpc,
    price_sync_pb2_grpc,
    routing_pb2_grpc,
    subscription_pb2_grpc,
    system_pb2_grpc,
)
from sanic import Request
from sanic.response import HTTPResponse

from front import call
from front.body import Gauge, read_body
from front.connection import end_after
from front.dialects.openai import errors as openai_errors
from front.dialects.strict import load_object
from front.errors import FrontError, bad, from_rpc
from front.limits import Limits
from front.rest.sent import INT64, QUERY_MOST, Sent, query_number
from front.settings import FrontSettings

COOKIE = "session"
VERIFICATION_COOKIE = "verification"
PENDING_COOKIE = "pending_login"
"""A sign-in that waits for its second factor."""
DISCARD_SECONDS = 5.0
"""How long a body that nobody wants may take."""
SIGNED_BODY_BYTES = 8 << 20
"""Largest body of a management request whose caller was let in: a thousand service accounts as keys."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
AUTH_VERSION = "864b7076dbcd0a3c01b5520316720ebf"
"""Header of every authenticated reply, by which New API's console knows the scheme."""
STATUSES = frozenset({408, 413, 415, 429, 500, 502, 503, 504})
"""Statuses that are told as they are; other refusals are 200 with success false, as New API's clients expect."""
REASONS = frozenset(
    {
        "SESSION_INVALID", "CROSS_SITE", "SWITCHED_OFF", "VERIFICATION_REQUIRED", "VERIFICATION_EXPIRED",
        "VERIFICATION_INVALID", "KEY_MISSING", "KEY_UNKNOWN", "OAUTH_STATE", "OAUTH_PROVIDER_UNKNOWN",
    }
)  # fmt: skip
"""Reasons whose status is told, too."""
JSON = "application/json"


class Level(Enum):
    """Who may ask. The value is the least role, for those that are signed in."""

    PUBLIC = 0
    VISITOR = -1
    """Anybody; who is signed in is told more."""
    KEY = -2
    """The holder of an API key."""
    USER = access_pb2.ACCOUNT_ROLE_USER
    ADMIN = access_pb2.ACCOUNT_ROLE_ADMIN
    ROOT = access_pb2.ACCOUNT_ROLE_ROOT


class Raw:
    """A reply that is not in New API's envelope."""

    def __init__(self, body: Any, status: int = 200) -> None:
        self.response = HTTPResponse(orjson.dumps(body), status, {}, JSON)


class Streamed:
    """A reply that is sent piece by piece. Errors before the first piece are refusals; later ones cut it off."""

    def __init__(self, pieces: AsyncIterator[bytes], content_type: str, headers: dict[str, str] | None = None) -> None:
        self._pieces = pieces
        self._content_type = content_type
        self._headers = headers or {}

    async def send(self, request: Request, headers: dict[str, str]) -> None:
        """Sends it whole. Raises FrontError, AioRpcError before anything was sent."""
        pieces = self._pieces
        try:
            first = await anext(pieces, b"")
            told = call.stamp({"Cache-Control": "no-store", **self._headers, **headers}, request.ctx.request_id)
            response: Any = await request.respond(content_type=self._content_type, headers=told)
            try:
                await response.send(first)
                async for piece in pieces:
                    await response.send(piece)
            except (FrontError, grpc.aio.AioRpcError):
                # The status is gone: what is cut off must not look whole.
                transport: Any = request.transport
                transport.abort()
                return
            await response.eof()
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()


@dataclass(slots=True)
class Call:
    """One management request whose caller is known."""

    m: Manager
    request: Request
    who: list[tuple[str, str]]
    """Metadata for core."""
    account_id: int = 0

    async def body(self) -> Sent:
        """The body as a JSON object, small."""
        limit = SIGNED_BODY_BYTES if self.account_id else self.m.settings.anonymous_body_kb << 10
        return Sent(load_object(await self.m.read(self.request, limit)))

    def text(self, name: str) -> str:
        """A text of the query."""
        return str(self.request.args.get(name, "") or "")[:QUERY_MOST]

    def number(self, name: str) -> int:
        """A number of the query, 0 or more."""
        return max(0, query_number(self.request.args.get(name)))

    def signed(self, name: str) -> int:
        """A number of the query."""
        return query_number(self.request.args.get(name))

    def flag(self, name: str) -> bool:
        """A switch of the query."""
        return self.text(name).lower() in ("true", "1")

    def page(self, size: int = 10) -> common_pb2.PageRequest:
        """`p` and `page_size` (also `ps`, `size`) of the query."""
        asked = next((found for name in ("page_size", "ps", "size") if (found := self.number(name))), size)
        return common_pb2.PageRequest(page=min(max(self.number("p"), 1), 1_000_000), page_size=min(asked, 100))


Work = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the table. limit: "", "critical" and "email" (by address) or "search" (by account)."""

    method: str
    path: str
    level: Level
    work: Work
    limit: str = ""
    openai: bool = False
    """Errors in OpenAI's envelope instead of New API's."""


class Manager:
    """Stubs, limits and helpers; one a worker."""

    def __init__(self, channel: Any, settings: FrontSettings, limits: Limits, running: Callable[[], int]) -> None:
        self.settings = settings
        self.limits = limits
        self.running = running
        """Requests in flight."""
        self.access = access_pb2_grpc.AccessServiceStub(channel)
        self.admin = admin_pb2_grpc.AdminServiceStub(channel)
        self.billing = billing_pb2_grpc.BillingServiceStub(channel)
        self.models = models_pb2_grpc.ModelServiceStub(channel)
        self.system = system_pb2_grpc.SystemServiceStub(channel)
        self.catalog = catalog_pb2_grpc.CatalogServiceStub(channel)
        self.routing = routing_pb2_grpc.RoutingServiceStub(channel)
        self.price_sync = price_sync_pb2_grpc.PriceSyncServiceStub(channel)
        self.payments = payment_pb2_grpc.PaymentServiceStub(channel)
        self.subscriptions = subscription_pb2_grpc.SubscriptionServiceStub(channel)
        self._gauge = Gauge(settings.bodies_in_flight_mb << 20)

    # -- who calls ----------------------------------------------------------------------------

    def _nobody(self, request: Request) -> list[tuple[str, str]]:
        pairs = call.metadata(request, self.settings, request.ctx.request_id, "")
        agent = "".join(char for char in request.headers.get("user-agent", "")[:255] if " " <= char <= "~")
        if agent.strip():
            pairs.append(("isthmus-client-agent", agent.strip()))
        return pairs

    def caller(self, request: Request) -> list[tuple[str, str]]:
        """Session cookie or access token, each with New-Api-User. Raises FrontError, also on a cross-site write."""
        pairs = self._nobody(request)
        session = str(request.cookies.get(COOKIE, "") or "")
        token = request.headers.get("authorization", "")
        if not token and not session:
            raise FrontError(401, "Not signed in.", code="invalid_session", reason="SESSION_INVALID")
        named = request.headers.get("new-api-user", "").strip()
        if not (named.isascii() and named.isdecimal() and len(named) < 19):
            raise FrontError(
                401, "The header New-Api-User must name your account.", code="invalid_session", reason="SESSION_INVALID"
            )
        pairs.append(("isthmus-user", str(int(named))))
        if token:
            pairs.append(("authorization", token if token.isascii() and token.isprintable() else "?"))
            return pairs
        self._same_site(request)
        pairs.append(("isthmus-session", session if session.isascii() and session.isprintable() else "?"))
        proof = str(request.cookies.get(VERIFICATION_COOKIE, "") or "")
        if proof and proof.isascii() and proof.isprintable():
            pairs.append(("isthmus-verification", proof))
        return pairs

    def _same_site(self, request: Request) -> None:
        """Refuses writes that a page of another site makes in somebody's browser. Raises FrontError.

        Browsers say so themselves (Sec-Fetch-Site) where the connection is secure; elsewhere the origin must be
        the host that was asked. What is no browser sends neither.
        """
        if request.method in SAFE_METHODS:
            return
        site = request.headers.get("sec-fetch-site", "")
        if site in ("same-origin", "none"):
            return
        origin = request.headers.get("origin", "")
        if not site and not origin:
            return
        hosts = [request.headers.get("host", "")]
        if self.settings.trusted_proxies:
            hosts.append(request.headers.get("x-forwarded-host", ""))
        if site or origin.partition("://")[2] not in hosts:
            raise FrontError(403, "The request comes from another site.", code="access_denied", reason="CROSS_SITE")

    async def _called(self, request: Request, route: Route) -> Call:
        """The caller, let in: before any body is read. Raises FrontError, AioRpcError."""
        if route.level is Level.PUBLIC:
            # A page elsewhere must neither set up a fresh gateway on somebody's machine, nor sign him in.
            self._same_site(request)
            return Call(self, request, self._nobody(request))
        if route.level is Level.KEY:
            key = call.find_key(request)
            return Call(self, request, call.metadata(request, self.settings, request.ctx.request_id, key))
        if route.level is Level.VISITOR:
            try:
                return Call(self, request, self.caller(request))
            except FrontError:
                return Call(self, request, self._nobody(request))
        who = self.caller(request)
        asked = access_pb2.CheckAccountRequest(role=access_pb2.AccountRole.ValueType(route.level.value))
        if route.method not in SAFE_METHODS:
            asked.action = f"{route.method} {route.path}"
        found = await self.access.CheckAccount(asked, metadata=who)
        return Call(self, request, who, found.account_id)

    # -- bodies -------------------------------------------------------------------------------

    async def read(self, request: Request, limit: int) -> bytes:
        """The body's bytes, at most limit of them."""
        raw, taken = await read_body(request, limit, self.settings.body_seconds, self._gauge)
        self._gauge.give(taken)
        return raw

    async def _discard(self, request: Request) -> None:
        """Reads what a route did not: a connection with an unread body cannot be used again."""
        if request.stream is None or request.method in SAFE_METHODS:
            return
        try:
            limit = self.settings.anonymous_body_kb << 10
            _, taken = await read_body(request, limit, DISCARD_SECONDS, self._gauge)
            self._gauge.give(taken)
        except FrontError:
            end_after(request)

    # -- replies ------------------------------------------------------------------------------

    def _limited(self, request: Request, rule: str, client: str) -> HTTPResponse | None:
        """429 with an empty body where the client asks too often."""
        wait = self.limits.admit(rule, client, time.monotonic())
        if not wait:
            return None
        return HTTPResponse(b"", 429, call.stamp({"Retry-After": str(int(wait) + 1)}, request.ctx.request_id))

    async def _answer(self, request: Request, route: Route, path: dict[str, Any]) -> HTTPResponse | None:
        for name, value in path.items():
            if isinstance(value, int) and not 0 < value <= INT64:
                raise bad(f"There is no {name.removesuffix('_id')} with this id.", "id")
        address = call.client_address(request, self.settings)
        if refused := self._limited(request, "api", address):
            return refused
        if route.limit == "critical" and (refused := self._limited(request, "critical", address)):
            return refused
        if route.limit == "email" and self._limited(request, "email", address):
            raise FrontError(429, "Too many mails were asked for; try again later.", reason="RATE_LIMITED")
        asked = await self._called(request, route)
        if route.limit == "search" and (refused := self._limited(request, "search", str(asked.account_id))):
            return refused
        data = await route.work(asked, **path)
        if isinstance(data, Streamed):
            await data.send(request, {"Auth-Version": AUTH_VERSION} if asked.account_id else {})
            return None
        if isinstance(data, Raw):
            response = data.response
        else:
            body = {"success": True, "message": "", "data": data}
            response = HTTPResponse(orjson.dumps(body), 200, {}, JSON)
        if asked.account_id:
            response.headers["Auth-Version"] = AUTH_VERSION
        return response

    def handler(self, route: Route) -> Callable[..., Awaitable[HTTPResponse | None]]:
        """What work returns becomes `data`; refusals become `success: false`."""

        async def handle(request: Request, **path: Any) -> HTTPResponse | None:
            request_id = request.ctx.request_id
            try:
                response = await self._answer(request, route, path)
            except (FrontError, grpc.aio.AioRpcError) as problem:
                error = from_rpc(problem) if isinstance(problem, grpc.aio.AioRpcError) else problem
                response = refused(error, request_id, route)
            finally:
                await self._discard(request)
            if response is not None:
                call.stamp(response.headers, request_id)  # type: ignore[arg-type]
            return response

        handle.__name__ = getattr(route.work, "__name__", "route")
        return handle


def refused(error: FrontError, request_id: str, route: Route) -> HTTPResponse:
    """A refusal in the route's envelope; which statuses are told: STATUSES, REASONS."""
    if route.openai:
        return HTTPResponse(openai_errors.body(error, request_id), error.status, {}, JSON)
    told = error.status in STATUSES or error.reason in REASONS or (route.level is Level.KEY and error.status == 403)
    body: dict[str, Any] = {"success": False, "message": f"{error.message} (request id: {request_id})"}
    if error.reason.startswith("VERIFICATION_"):
        body["code"] = error.reason
    if error.param:
        body["param"] = error.param
    return HTTPResponse(orjson.dumps(body), error.status if told else 200, {}, JSON)


def items(info: common_pb2.PageInfo, rows: list[Any]) -> dict[str, Any]:
    """New API's page."""
    return {"page": info.page, "page_size": info.page_size, "total": info.total, "items": rows}
