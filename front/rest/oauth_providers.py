"""Custom OAuth providers, for root."""

from __future__ import annotations

from typing import Any

import orjson
from isthmus.v1 import admin_pb2

from front.rest.manager import Call, Level, Route
from front.rest.sent import Sent

TEXTS = (
    "name", "slug", "icon", "client_id", "client_secret", "authorization_endpoint", "token_endpoint",
    "user_info_endpoint", "scopes", "user_id_field", "username_field", "display_name_field", "email_field",
    "well_known", "access_policy", "access_denied_message",
)  # fmt: skip
NULLABLE = frozenset({"icon", "well_known", "access_policy", "access_denied_message"})
"""Members of an update that are written when they are sent, empty or not."""


def _shown(found: admin_pb2.OAuthProvider) -> dict[str, Any]:
    told = {name: getattr(found, name) for name in TEXTS if name != "client_secret"}
    return {"id": found.id, **told, "enabled": found.enabled, "auth_style": found.auth_style}


def _read(body: Sent, update: bool) -> tuple[admin_pb2.OAuthProvider, list[str]]:
    """A provider as it was sent, and what is to be written of it. Raises FrontError 400."""
    found = admin_pb2.OAuthProvider()
    names = []
    for name in TEXTS:
        if body.has(name) and (body.text(name) or not update or name in NULLABLE):
            setattr(found, name, body.text(name))
            names.append(name)
    if body.has("enabled"):
        found.enabled = body.flag("enabled")
        names.append("enabled")
    if body.has("auth_style"):
        found.auth_style = body.number("auth_style", 0, 100)
        names.append("auth_style")
    return found, names


async def providers(c: Call) -> Any:
    """All, by id."""
    found = await c.m.admin.ListOAuthProviders(admin_pb2.ListOAuthProvidersRequest(), metadata=c.who)
    return [_shown(each) for each in found.providers]


async def provider(c: Call, provider_id: int) -> Any:
    """One."""
    found = await c.m.admin.GetOAuthProvider(admin_pb2.GetOAuthProviderRequest(id=provider_id), metadata=c.who)
    return _shown(found.provider)


async def create(c: Call) -> Any:
    """A new one."""
    asked = admin_pb2.CreateOAuthProviderRequest(provider=_read(await c.body(), False)[0])
    return _shown((await c.m.admin.CreateOAuthProvider(asked, metadata=c.who)).provider)


async def update(c: Call, provider_id: int) -> Any:
    """Writes what was sent."""
    told, names = _read(await c.body(), True)
    told.id = provider_id
    asked = admin_pb2.UpdateOAuthProviderRequest(provider=told, fields=names)
    return _shown((await c.m.admin.UpdateOAuthProvider(asked, metadata=c.who)).provider)


async def delete(c: Call, provider_id: int) -> Any:
    """Where nobody is bound to it."""
    await c.m.admin.DeleteOAuthProvider(admin_pb2.DeleteOAuthProviderRequest(id=provider_id), metadata=c.who)


async def discovery(c: Call) -> Any:
    """What the provider says of itself."""
    body = await c.body()
    asked = admin_pb2.DiscoverOAuthProviderRequest(
        well_known_url=body.text("well_known_url"), issuer_url=body.text("issuer_url")
    )
    found = await c.m.admin.DiscoverOAuthProvider(asked, metadata=c.who)
    return {"well_known_url": found.well_known_url, "discovery": orjson.loads(found.discovery_json)}


ROUTES = (
    Route("GET", "/api/custom-oauth-provider/", Level.ROOT, providers),
    Route("POST", "/api/custom-oauth-provider/", Level.ROOT, create),
    Route("POST", "/api/custom-oauth-provider/discovery", Level.ROOT, discovery),
    Route("GET", "/api/custom-oauth-provider/<provider_id:int>", Level.ROOT, provider),
    Route("PUT", "/api/custom-oauth-provider/<provider_id:int>", Level.ROOT, update),
    Route("DELETE", "/api/custom-oauth-provider/<provider_id:int>", Level.ROOT, delete),
)
