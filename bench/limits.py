"""The limits a gateway in Python stands beside: a bare Sanic handler, and Sanic with the upstream client and nothing else.

`python -m bench.limits handler|relay --port P --vendor URL`
"""

from __future__ import annotations

import argparse
import asyncio

import orjson
import uvloop
from sanic import Request, Sanic
from sanic.response import HTTPResponse, ResponseStream, raw

from bench import answers
from core.settings import CoreSettings
from core.upstream.interface import UpstreamRequest
from core.upstream.pool import open_upstream

ANSWER = answers.OPENAI.small.partition(b"\r\n\r\n")[2]


def handler_app() -> Sanic:
    """A handler that parses the body and answers 1 kB."""
    app: Sanic = Sanic("limit-handler", configure_logging=False)

    @app.post("/v1/chat/completions")
    async def chat(request: Request) -> HTTPResponse:
        orjson.loads(request.body)
        return raw(ANSWER, content_type="application/json")

    return app


def relay_app(vendor: str) -> Sanic:
    """A handler that sends the body on and the answer back, as it comes."""
    app: Sanic = Sanic("limit-relay", configure_logging=False)
    upstream = None

    @app.post("/v1/<path:path>")
    async def chat(request: Request, path: str) -> HTTPResponse | ResponseStream | None:
        nonlocal upstream
        if upstream is None:
            upstream = open_upstream(CoreSettings())
        headers = [("Content-Type", "application/json"), ("Authorization", "Bearer x")]
        answer = await upstream.send(UpstreamRequest("POST", f"{vendor}/v1/{path}", headers, request.body))
        if "event-stream" not in answer.headers.get("content-type", ""):
            return raw(await answer.read(1 << 26), content_type="application/json")
        response = await request.respond(content_type="text/event-stream")
        async for chunk in answer.chunks():
            await response.send(chunk)
        await response.eof()
        return None

    return app


async def serve(app: Sanic, port: int) -> None:
    """Serves until killed."""
    server = await app.create_server("127.0.0.1", port, return_asyncio_server=True, access_log=False)
    assert server is not None
    await server.startup()
    await server.start_serving()
    await asyncio.Event().wait()


def main() -> None:
    """Runs one of the two."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["handler", "relay"])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--vendor", default="")
    arguments = parser.parse_args()
    app = handler_app() if arguments.kind == "handler" else relay_app(arguments.vendor)
    uvloop.run(serve(app, arguments.port))


if __name__ == "__main__":
    main()
