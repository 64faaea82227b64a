"""The Sanic application: routes, request ids, draining."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

from sanic import Request, Sanic
from sanic.exceptions import SanicException
from sanic.http import Http
from sanic.response import HTTPResponse

from front import call
from front.connection import end_after
from front.errors import FrontError
from front.kept import KeptResponses
from front.limits import Limits
from front.pages import Pages, add_pages
from front.playground import PATH as PLAYGROUND
from front.playground import playground
from front.relay import Relay, refusal
from front.rest.manager import Manager
from front.rest.routes import add_routes
from front.routes import errors_of, relay_routes
from front.settings import FrontSettings

_numbers = itertools.count(1)
"""Sanic wants a name of its own for every application of a process."""


API_PREFIXES = ("/api/", "/v1/", "/v1beta/")
"""Paths whose unknown routes count in no limit of pages."""


class Flight:
    """Requests in flight, and whether new ones are turned away."""

    def __init__(self) -> None:
        self.running = 0
        self.draining = False
        self._empty = asyncio.Event()

    def began(self) -> None:
        """Counts one."""
        self.running += 1

    def ended(self) -> None:
        """Counts one off."""
        self.running -= 1
        if self.draining and self.running <= 0:
            self._empty.set()

    def counted(self, handler: Any) -> Any:
        """The handler, counted while it runs; gives every request its id."""

        async def run(request: Request, **path: Any) -> Any:
            request.ctx.request_id = call.new_request_id()
            if self.draining:
                error = FrontError(503, "The gateway is stopping; try again.", code="overloaded", retry_after_ms=1000)
                end_after(request)
                return refusal(error, request, errors_of(request.path))
            self.began()
            try:
                return await handler(request, **path)
            finally:
                self.ended()

        return run

    async def drain(self, seconds: float) -> None:
        """Turns new requests away, waits for those in flight."""
        self.draining = True
        if self.running > 0:
            try:
                await asyncio.wait_for(self._empty.wait(), seconds)
            except TimeoutError:
                return


def create_app(channel: Any, settings: FrontSettings, limits: Limits | None = None) -> Sanic[Any, Any]:
    """The front over a channel to a core: a LocalChannel or grpc.aio's. limits: those that workers share."""
    shared = limits or Limits(settings)
    app: Sanic[Any, Any] = Sanic(f"isthmus-{next(_numbers)}", configure_logging=False)
    app.config.REQUEST_MAX_SIZE = settings.max_body_mb << 20
    Http.HEADER_CEILING = settings.header_bytes
    app.config.REQUEST_MAX_HEADER_SIZE = settings.header_bytes
    app.config.REQUEST_TIMEOUT = settings.request_seconds
    app.config.RESPONSE_TIMEOUT = 24 * 3600
    app.config.KEEP_ALIVE_TIMEOUT = settings.keep_alive_seconds
    app.config.FALLBACK_ERROR_FORMAT = "json"
    app.config.ACCESS_LOG = False
    relay = Relay(channel, settings)
    flight = Flight()
    pages = Pages()
    apis: set[str] = set()
    """Beginnings of paths that are APIs': no page of the console is there."""
    app.ctx.stall_seconds = settings.stall_seconds
    app.ctx.drain = flight.drain
    app.ctx.flight = flight

    @app.exception(Exception)
    async def failed(request: Request, error: Exception) -> HTTPResponse:
        if not hasattr(request.ctx, "request_id"):
            request.ctx.request_id = call.new_request_id()
        form = errors_of(request.path)
        if isinstance(error, FrontError):
            return refusal(error, request, form)
        if isinstance(error, SanicException):
            status = error.status_code
            if status == 404 and request.method == "GET" and not request.path.startswith(API_PREFIXES):
                # A browser that looks for pages, or somebody who tries names.
                wait = shared.admit("web", call.client_address(request, settings), time.monotonic())
                if wait:
                    headers = {"Retry-After": str(int(wait) + 1)}
                    return HTTPResponse(b"", 429, call.stamp(headers, request.ctx.request_id))
            if status == 404 and pages.wanted(request, apis):
                return await pages.page(request)
            code = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}.get(
                status, "invalid_request"
            )
            text = {404: f"There is no route {request.method} {request.path}."}.get(status, str(error))
            return refusal(FrontError(status, text, code=code), request, form)
        call.logger.error("unexpected error", exc_info=error, extra={"request_id": request.ctx.request_id})
        return refusal(
            FrontError(500, "Something went wrong inside the gateway.", code="internal_error"), request, form
        )

    def add(handler: Any, path: str, method: str) -> None:
        apis.add(f"/{path.split('/')[1]}/")
        app.add_route(
            flight.counted(handler),
            path,
            methods=[method],
            name=f"{method}-{path}".translate(str.maketrans("/<>:", "-...")),
            stream=method not in ("GET", "HEAD"),
        )

    for method, path, handler in relay_routes(relay, KeptResponses(relay, channel)):
        add(handler, path, method)
    manager = Manager(channel, settings, shared, lambda: flight.running)
    add(playground(relay, manager, channel), PLAYGROUND, "POST")
    add_routes(add, channel, settings, shared, lambda: flight.running)
    add_pages(lambda handler, path, name: app.add_route(flight.counted(handler), path, name=name), pages)
    return app
