"""Channels at work, for administrators: rounds of tests."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import routing_pb2

from front.rest.manager import Call, Level, Raw, Route

CONFLICT = 409
CHANNEL_TEST = "channel_test"


def _begun(found: routing_pb2.Round, started: bool) -> Any:
    """New API's reply to what begins a task; 409 where one is under way."""
    data = {"task_id": found.task_id, "status": found.status}
    if started:
        return data
    told = {"success": False, "message": "Such a round is under way.", "data": {**data, "type": found.type}}
    return Raw(told, CONFLICT)


async def test_all(c: Call) -> Any:
    """Begins a round over every channel that was not disabled by hand."""
    found = await c.m.routing.TestChannels(routing_pb2.TestChannelsRequest(), metadata=c.who)
    return _begun(found.round, found.started)


async def abort_tests(c: Call) -> Any:
    """Ends the round of tests that is under way."""
    found = await c.m.routing.AbortRound(routing_pb2.AbortRoundRequest(type=CHANNEL_TEST), metadata=c.who)
    return {"task_id": found.round.task_id, "status": found.round.status}


ROUTES = (
    Route("GET", "/api/channel/test", Level.ADMIN, test_all),
    Route("DELETE", "/api/channel/test", Level.ADMIN, abort_tests),
)
