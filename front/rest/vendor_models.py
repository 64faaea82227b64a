"""What vendors have, for administrators: lists that changed, models of Ollama servers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import orjson
from isthmus.v1 import routing_pb2

from front.errors import FrontError, from_rpc
from front.rest.manager import Call, Level, Raw, Route, Streamed
from front.rest.routing import begun

MODELS_MOST = 5_000
EVENTS = "text/event-stream; charset=utf-8"
SSE_HEADERS = {"X-Accel-Buffering": "no"}
DONE = b"data: [DONE]\n\n"


async def detect(c: Call) -> Any:
    """Asks the channel's vendor; what differs is proposed."""
    asked = routing_pb2.DetectModelsRequest(id=(await c.body()).number("id"))
    found = (await c.m.routing.DetectModels(asked, metadata=c.who)).updates
    return {
        "channel_id": found.channel_id,
        "channel_name": found.channel_name,
        "add_models": list(found.add_models),
        "remove_models": list(found.remove_models),
        "last_check_time": found.last_check_at,
        "auto_added_models": len(found.added_models),
    }


async def detect_all(c: Call) -> Any:
    """The same for all that want it, as a round."""
    found = await c.m.routing.DetectAllModels(routing_pb2.DetectAllModelsRequest(), metadata=c.who)
    return begun(found.round, found.started)


async def apply(c: Call) -> Any:
    """Does what was proposed, as far as it is named."""
    body = await c.body()
    lists = {name: body.texts(name, MODELS_MOST) for name in ("add_models", "remove_models", "ignore_models")}
    asked = routing_pb2.ApplyModelsRequest(id=body.number("id"), **lists)
    found = (await c.m.routing.ApplyModels(asked, metadata=c.who)).updates
    return {
        "id": found.channel_id,
        "added_models": list(found.added_models),
        "removed_models": list(found.removed_models),
        "ignored_models": list(found.ignored_models),
        "remaining_models": list(found.add_models),
        "remaining_remove_models": list(found.remove_models),
        "models": found.models,
        "settings": found.settings_json,
    }


async def apply_all(c: Call) -> Any:
    """Does everything that is proposed."""
    found = await c.m.routing.ApplyAllModels(routing_pb2.ApplyAllModelsRequest(), metadata=c.who)
    return {
        "processed_channels": len(found.results),
        "added_models": sum(len(one.added_models) for one in found.results),
        "removed_models": sum(len(one.removed_models) for one in found.results),
        "failed_channel_ids": list(found.failed_ids),
        "results": [
            {
                "channel_id": one.channel_id,
                "added_models": list(one.added_models),
                "removed_models": list(one.removed_models),
                "remaining_models": list(one.add_models),
                "remaining_remove_models": list(one.remove_models),
            }
            for one in found.results
        ],
    }


# -- Ollama ---------------------------------------------------------------------------------------


def _failed(error: grpc.aio.AioRpcError) -> Raw:
    """New API's statuses: 400 wrong input or type, 404 no channel, 500 the server."""
    told = from_rpc(error)
    if told.status in (401, 403):
        raise error
    status = 404 if told.reason == "RECORD_NOT_FOUND" else 400 if told.reason == "INVALID_REQUEST" else 500
    return Raw({"success": False, "message": told.message}, status)


async def _pulling(c: Call) -> Any:
    body = await c.body()
    asked = routing_pb2.PullModelRequest(channel_id=body.number("channel_id"), model_name=body.text("model_name"))
    return c.m.routing.PullModel(asked, metadata=c.who)


async def pull(c: Call) -> Any:
    """Fetches a model, and answers when it is there."""
    messages = await _pulling(c)
    try:
        async for _ in messages:
            pass
    except grpc.aio.AioRpcError as error:
        return _failed(error)
    return Raw({"success": True, "message": "The model is there."})


async def pull_stream(c: Call) -> Any:
    """The same, its progress as events."""
    messages = await _pulling(c)
    try:
        first = await messages.read()
    except grpc.aio.AioRpcError as error:
        return _failed(error)
    return Streamed(_events(messages, first), EVENTS, SSE_HEADERS)


async def _events(messages: Any, first: Any) -> AsyncIterator[bytes]:
    try:
        if first is not grpc.aio.EOF:
            yield b"data: " + first.progress_json + b"\n\n"
            async for message in messages:
                yield b"data: " + message.progress_json + b"\n\n"
        yield b"data: " + orjson.dumps({"message": "The model is there."}) + b"\n\n"
    except (grpc.aio.AioRpcError, FrontError) as error:
        told = from_rpc(error) if isinstance(error, grpc.aio.AioRpcError) else error
        yield b"data: " + json.dumps({"error": told.message}).encode() + b"\n\n"
    finally:
        messages.cancel()
    yield DONE


async def delete(c: Call) -> Any:
    """Deletes a model."""
    body = await c.body()
    asked = routing_pb2.DeleteModelRequest(channel_id=body.number("channel_id"), model_name=body.text("model_name"))
    try:
        await c.m.routing.DeleteModel(asked, metadata=c.who)
    except grpc.aio.AioRpcError as error:
        return _failed(error)
    return Raw({"success": True, "message": "The model is gone."})


async def version(c: Call, channel_id: int) -> Any:
    """Which version the server has."""
    try:
        found = await c.m.routing.GetServerVersion(
            routing_pb2.GetServerVersionRequest(channel_id=channel_id), metadata=c.who
        )
    except grpc.aio.AioRpcError as error:
        return _failed(error)
    return {"version": found.version}


ROUTES = (
    Route("POST", "/api/channel/upstream_updates/detect", Level.ADMIN, detect),
    Route("POST", "/api/channel/upstream_updates/detect_all", Level.ADMIN, detect_all),
    Route("POST", "/api/channel/upstream_updates/apply", Level.ADMIN, apply),
    Route("POST", "/api/channel/upstream_updates/apply_all", Level.ADMIN, apply_all),
    Route("POST", "/api/channel/ollama/pull", Level.ADMIN, pull),
    Route("POST", "/api/channel/ollama/pull/stream", Level.ADMIN, pull_stream),
    Route("DELETE", "/api/channel/ollama/delete", Level.ADMIN, delete),
    Route("GET", "/api/channel/ollama/version/<channel_id:int>", Level.ADMIN, version),
)
