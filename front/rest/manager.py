"""What management routes share: the caller's metadata, bodies, New API's reply and its errors."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import grpc
import orjson
from isthmus.v1 import access_pb2_grpc, admin_pb2_grpc, billing_pb2_grpc, common_pb2
from sanic import Request
from sanic.response import HTTPResponse

from front import call
from front.body import Gauge, read_body
from front.dialects.strict import load_object
from front.errors import FrontError, from_rpc
from front.settings import FrontSettings

COOKIE = "session"
DISCARD_SECONDS = 5.0
"""How long a body that nobody wants may take."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
Work = Callable[[Request], Awaitable[Any]]


class Raw:
    """A reply that is not in New API's envelope."""

    def __init__(self, response: HTTPResponse) -> None:
        self.response = response


class Manager:
    """Stubs and helpers; one a worker."""

    def __init__(self, channel: Any, settings: FrontSettings) -> None:
        self.settings = settings
        self.access = access_pb2_grpc.AccessServiceStub(channel)
        self.admin = admin_pb2_grpc.AdminServiceStub(channel)
        self.billing = billing_pb2_grpc.BillingServiceStub(channel)
        self._gauge = Gauge(settings.bodies_in_flight_mb << 20)

    def caller(self, request: Request) -> list[tuple[str, str]]:
        """Session cookie, or access token with New-Api-User. Raises FrontError on a cross-site write."""
        pairs = call.metadata(request, self.settings, request.ctx.request_id, "")
        session = request.cookies.get(COOKIE, "")
        token = request.headers.get("authorization", "")
        named = request.headers.get("new-api-user", "")
        if named and named.isdecimal():
            pairs.append(("isthmus-user", named))
        if token:
            pairs.append(("authorization", token if token.isascii() and token.isprintable() else "?"))
            if not named:
                raise FrontError(401, "New-Api-User is missing.", code="invalid_session")
        elif session and session.isascii() and session.isprintable():
            self._same_site(request)
            pairs.append(("isthmus-session", session))
        else:
            raise FrontError(401, "Not signed in.", code="invalid_session")
        return pairs

    @staticmethod
    def _same_site(request: Request) -> None:
        origin = request.headers.get("origin", "")
        if request.method in SAFE_METHODS or not origin:
            return
        if urlsplit(origin).netloc != request.headers.get("host", ""):
            raise FrontError(403, "The request comes from another site.", code="access_denied")

    def key(self, request: Request) -> list[tuple[str, str]]:
        """Metadata of a call by API key."""
        return call.metadata(request, self.settings, request.ctx.request_id, call.find_key(request))

    def nobody(self, request: Request) -> list[tuple[str, str]]:
        """Metadata of a call by nobody."""
        return call.metadata(request, self.settings, request.ctx.request_id, "")

    async def body(self, request: Request) -> dict[str, Any]:
        """The body as a JSON object, small."""
        raw, taken = await read_body(
            request, self.settings.anonymous_body_kb << 10, self.settings.body_seconds, self._gauge
        )
        self._gauge.give(taken)
        return load_object(raw)

    async def _discard(self, request: Request) -> None:
        """Reads what a route did not: a connection with an unread body cannot be used again."""
        if request.stream is not None and request.method in ("POST", "PUT", "DELETE", "PATCH"):
            with contextlib.suppress(FrontError):
                await read_body(request, self.settings.anonymous_body_kb << 10, DISCARD_SECONDS, self._gauge)

    def route(self, work: Work) -> Callable[..., Awaitable[HTTPResponse]]:
        """A handler: what work returns becomes `data`; refusals become `success: false`."""

        async def handler(request: Request, **path: Any) -> HTTPResponse:
            request_id = request.ctx.request_id
            status = 200
            try:
                data = await work(request, **path)
                if isinstance(data, Raw):
                    data.response.headers.update(call.stamp({}, request_id))
                    return data.response
                body = {"success": True, "message": "", "data": data}
            except (FrontError, grpc.aio.AioRpcError) as problem:
                error = from_rpc(problem) if isinstance(problem, grpc.aio.AioRpcError) else problem
                # New API tells refusals with status 200, but for callers it does not know or let in.
                status = error.status if error.status in (401, 403, 413, 429, 500, 503) else 200
                body = {"success": False, "message": f"{error.message} (request id: {request_id})"}
            finally:
                await self._discard(request)
            return HTTPResponse(orjson.dumps(body), status, call.stamp({}, request_id), "application/json")

        handler.__name__ = getattr(work, "__name__", "route")
        return handler


def page(request: Request) -> common_pb2.PageRequest:
    """`p` and `page_size` of the query."""
    return common_pb2.PageRequest(
        page=number(request, "p") or 1, page_size=min(number(request, "page_size") or 10, 100)
    )


def number(request: Request, name: str) -> int:
    """An integer of the query; 0 where there is none."""
    text = str(request.args.get(name, "0") or "0")
    return int(text) if text.isdecimal() and len(text) < 18 else 0


def text(request: Request, name: str) -> str:
    """A text of the query."""
    return str(request.args.get(name, "") or "")[:255]


def items(info: common_pb2.PageInfo, rows: list[Any]) -> dict[str, Any]:
    """New API's page."""
    return {"page": info.page, "page_size": info.page_size, "total": info.total, "items": rows}
