"""One's own sessions: shown, and ended one by one. Ours: New API keeps none."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import access_pb2

from front.rest.manager import Call, Level, Route


async def sessions(c: Call) -> Any:
    """Those that are open, newest first."""
    found = await c.m.access.ListSessions(access_pb2.ListSessionsRequest(), metadata=c.who)
    return [
        {
            "id": each.id,
            "method": each.method,
            "ip": each.address,
            "user_agent": each.agent,
            "created_at": each.created_at,
            "last_seen_at": each.last_seen_at,
            "expires_at": each.expires_at,
            "current": each.current,
        }
        for each in found.sessions
    ]


async def end(c: Call, session_id: int) -> Any:
    """Ends one."""
    await c.m.access.EndSession(access_pb2.EndSessionRequest(id=session_id), metadata=c.who)


ROUTES = (
    Route("GET", "/api/isthmus/sessions", Level.USER, sessions),
    Route("DELETE", "/api/isthmus/sessions/<session_id:int>", Level.USER, end),
)
