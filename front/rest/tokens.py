"""API keys of the caller's own."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import admin_pb2

from front.errors import bad
from front.rest import shapes
from front.rest.manager import Call, Level, Route, items
from front.rest.sent import INT32


async def tokens(c: Call) -> Any:
    """Newest first."""
    found = await c.m.admin.ListKeys(admin_pb2.ListKeysRequest(page=c.page()), metadata=c.who)
    return items(found.page, [shapes.key(row) for row in found.keys])


async def search(c: Call) -> Any:
    """By name (with % a pattern), or by the whole key."""
    asked = admin_pb2.ListKeysRequest(page=c.page(), keyword=c.text("keyword"), secret=c.text("token"))
    found = await c.m.admin.ListKeys(asked, metadata=c.who)
    return items(found.page, [shapes.key(row) for row in found.keys])


async def token(c: Call, key_id: int) -> Any:
    """One."""
    found = await c.m.admin.GetKey(admin_pb2.GetKeyRequest(id=key_id), metadata=c.who)
    return shapes.key(found.key)


async def create(c: Call) -> Any:
    """A new one; its secret is told by its own route, or here where it is not kept."""
    key = shapes.to_key(await c.body())
    made = await c.m.admin.CreateKey(admin_pb2.CreateKeyRequest(key=key), metadata=c.who)
    return {"id": made.key.id, "key": made.secret} if made.told_once else None


async def create_many(c: Call) -> Any:
    """Several; their secrets are told here, with sk-, and where they are not kept nowhere else."""
    body = await c.body()
    asked = admin_pb2.CreateKeysRequest(key=shapes.to_key(body), count=body.number("count", 1, INT32))
    made = await c.m.admin.CreateKeys(asked, metadata=c.who)
    return [{**shapes.key(key), "secret": f"sk-{secret}"} for key, secret in zip(made.keys, made.secrets, strict=True)]


async def rotate(c: Call, key_id: int) -> Any:
    """Another secret, with sk-; the old one works on for overlap_seconds."""
    body = await c.body()
    asked = admin_pb2.RotateKeyRequest(id=key_id, overlap_seconds=body.number("overlap_seconds"))
    made = await c.m.admin.RotateKey(asked, metadata=c.who)
    return {**shapes.key(made.key), "secret": f"sk-{made.secret}", "old_until": made.old_until}


async def update(c: Call) -> Any:
    """All but the status, or with status_only the status alone."""
    key = shapes.to_key(await c.body())
    asked = admin_pb2.UpdateKeyRequest(key=key, status_only=bool(c.text("status_only")))
    found = await c.m.admin.UpdateKey(asked, metadata=c.who)
    return shapes.key(found.key)


async def delete(c: Call, key_id: int) -> Any:
    """Softly."""
    found = await c.m.admin.DeleteKeys(admin_pb2.DeleteKeysRequest(ids=[key_id]), metadata=c.who)
    if not found.deleted:
        raise bad("There is no such key.", "id")


async def delete_many(c: Call) -> Any:
    """How many of these ids were the caller's, and are gone."""
    ids = (await c.body()).ids()
    found = await c.m.admin.DeleteKeys(admin_pb2.DeleteKeysRequest(ids=ids), metadata=c.who)
    return found.deleted


async def reveal(c: Call, key_id: int) -> Any:
    """The secret, without sk-."""
    found = await c.m.admin.RevealKey(admin_pb2.RevealKeyRequest(id=key_id), metadata=c.who)
    return {"key": found.secret}


async def reveal_many(c: Call) -> Any:
    """Secrets by id."""
    ids = (await c.body()).ids()
    found = await c.m.admin.RevealKeys(admin_pb2.RevealKeysRequest(ids=ids), metadata=c.who)
    return {"keys": {str(key_id): secret for key_id, secret in sorted(found.secrets.items())}}


ROUTES = (
    Route("GET", "/api/token/", Level.USER, tokens),
    Route("POST", "/api/token/", Level.USER, create),
    Route("PUT", "/api/token/", Level.USER, update),
    Route("GET", "/api/token/search", Level.USER, search, limit="search"),
    Route("POST", "/api/token/batch", Level.USER, delete_many),
    Route("POST", "/api/token/batch/keys", Level.USER, reveal_many, limit="critical"),
    Route("GET", "/api/token/<key_id:int>", Level.USER, token),
    Route("DELETE", "/api/token/<key_id:int>", Level.USER, delete),
    Route("POST", "/api/token/<key_id:int>/key", Level.USER, reveal, limit="critical"),
    Route("POST", "/api/isthmus/token/batch", Level.USER, create_many),
    Route("POST", "/api/isthmus/token/<key_id:int>/rotate", Level.USER, rotate, limit="critical"),
)
