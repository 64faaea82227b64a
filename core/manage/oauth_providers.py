"""Custom OAuth providers: described by root, kept where they can work, looked up by their discovery documents."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from isthmus.v1 import admin_pb2

from core.errors import InvalidRequest
from core.fetch.rules import Refused
from core.identity import policy
from core.identity.paths import pieces
from core.identity.provider import RESERVED
from core.manage import before_after, fields
from core.services.context import Services
from core.store.models import CustomProvider

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
PROVIDERS_MOST = 100
TEXTS = {
    "name": 64, "slug": 64, "icon": 128, "client_id": 255, "client_secret": 512, "authorization_endpoint": 512,
    "token_endpoint": 512, "user_info_endpoint": 512, "scopes": 255, "user_id_field": 128, "username_field": 128,
    "display_name_field": 128, "email_field": 128, "well_known": 512, "access_policy": policy.TEXT_MOST,
    "access_denied_message": 512,
}  # fmt: skip
"""Columns and their characters."""
NEEDED = (
    "name", "slug", "client_id", "client_secret", "authorization_endpoint", "token_endpoint", "user_info_endpoint",
)  # fmt: skip
ADDRESSES = ("authorization_endpoint", "token_endpoint", "user_info_endpoint", "well_known")
PATHS = ("user_id_field", "username_field", "display_name_field", "email_field")
WELL_KNOWN = "/.well-known/openid-configuration"
SHOWN = (
    "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint",
    "scopes_supported", "response_types_supported", "grant_types_supported", "subject_types_supported",
    "id_token_signing_alg_values_supported", "token_endpoint_auth_methods_supported",
    "code_challenge_methods_supported", "claims_supported",
)  # fmt: skip
"""Members of a discovery document that are told: not all that a fetched page may hold."""


def message(row: CustomProvider) -> admin_pb2.OAuthProvider:
    """Without its secret."""
    shown = {name: getattr(row, name) for name in TEXTS if name != "client_secret"}
    return admin_pb2.OAuthProvider(id=row.id, enabled=row.enabled, auth_style=row.auth_style, **shown)


def _columns(told: admin_pb2.OAuthProvider, names: set[str]) -> dict[str, Any]:
    """The named fields as columns, checked. Raises InvalidRequest."""
    columns: dict[str, Any] = {}
    for name, most in TEXTS.items():
        if name in names:
            columns[name] = fields.text(getattr(told, name).strip(), name, most)
    if "enabled" in names:
        columns["enabled"] = told.enabled
    if "auth_style" in names:
        columns["auth_style"] = fields.whole(told.auth_style, "auth_style", 0, 2)
    slug = columns.get("slug")
    if slug is not None and (SLUG.fullmatch(slug) is None or slug in RESERVED):
        raise InvalidRequest("A slug has a-z, 0-9 and -, and is no built-in provider's name.", param="slug")
    for name in ADDRESSES:
        if columns.get(name):
            _check_address(columns[name], name)
    for name in PATHS:
        if columns.get(name):
            try:
                pieces(columns[name])
            except ValueError as error:
                raise InvalidRequest(f"{name}: {error}", param=name) from error
    try:
        policy.parse(columns.get("access_policy", ""))
    except ValueError as error:
        raise InvalidRequest(f"access_policy: {error}", param="access_policy") from error
    return columns


def _check_address(url: str, param: str) -> None:
    """Raises InvalidRequest."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url or parts.fragment:
        raise InvalidRequest(f"{param} must be an http or https address.", param=param)


async def create(services: Services, request: admin_pb2.CreateOAuthProviderRequest) -> admin_pb2.OAuthProvider:
    """A new one. Raises InvalidRequest, Conflict."""
    if len(await services.store.oauth_providers.all()) >= PROVIDERS_MOST:
        raise InvalidRequest(f"There are {PROVIDERS_MOST} providers already.")
    told = request.provider
    names = {name for name in TEXTS if getattr(told, name).strip()} | {"enabled", "auth_style"}
    for name in NEEDED:
        if name not in names:
            raise InvalidRequest(f"{name} is wanted.", param=name)
    return message(await services.store.oauth_providers.write(0, _columns(told, names)))


async def update(services: Services, request: admin_pb2.UpdateOAuthProviderRequest) -> admin_pb2.OAuthProvider:
    """Writes the named fields; what must not be empty stays where it is. Raises InvalidRequest, Conflict."""
    names = set(request.fields)
    if unknown := names - {*TEXTS, "enabled", "auth_style"}:
        raise InvalidRequest(f"There is no field {sorted(unknown)[0][:64]}.", param="fields")
    kept = {name for name in (*NEEDED, "scopes", "user_id_field") if not getattr(request.provider, name).strip()}
    columns = _columns(request.provider, names - kept)
    row = await services.store.oauth_providers.get(request.provider.id)
    before_after.changed({name: getattr(row, name) for name in columns}, columns)
    if not columns:
        return message(row)
    return message(await services.store.oauth_providers.write(request.provider.id, columns))


async def discover(services: Services, request: admin_pb2.DiscoverOAuthProviderRequest) -> tuple[str, str]:
    """The address of a discovery document, and the members of it that are of use, JSON. Raises InvalidRequest."""
    url = request.well_known_url.strip()
    if not url:
        issuer = request.issuer_url.strip().rstrip("/")
        url = issuer if issuer.endswith(WELL_KNOWN) else issuer + WELL_KNOWN
    _check_address(url, "well_known_url" if request.well_known_url.strip() else "issuer_url")
    try:
        found = await services.web.document(url, services.state.snapshot.options.raw)
    except Refused as refused:
        raise InvalidRequest(f"The document was not fetched: {refused}.", param="well_known_url") from refused
    told = {name: found[name] for name in SHOWN if isinstance(found.get(name), str | list)}
    if not told.get("authorization_endpoint"):
        raise InvalidRequest("The address holds no discovery document.", param="well_known_url")
    return url, json.dumps(told)
