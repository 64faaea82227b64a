"""The table of management routes: a file a family, joined here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from front.limits import Limits
from front.rest import (
    audit,
    catalog,
    channels,
    checkin,
    explain,
    log_streams,
    logs,
    mail,
    models,
    oauth,
    oauth_providers,
    options,
    own,
    passkeys,
    payments,
    performance,
    price_sync,
    redemptions,
    routing,
    second_factor,
    session,
    sessions,
    subscriptions,
    system,
    tokens,
    usage,
    users,
    vendor_models,
)
from front.rest.manager import Manager, Route
from front.settings import FrontSettings

ROUTES: tuple[Route, ...] = (
    *session.ROUTES,
    *own.ROUTES,
    *mail.ROUTES,
    *second_factor.ROUTES,
    *passkeys.ROUTES,
    *checkin.ROUTES,
    *audit.ROUTES,
    *sessions.ROUTES,
    *oauth.ROUTES,
    *oauth_providers.ROUTES,
    *users.ROUTES,
    *tokens.ROUTES,
    *channels.ROUTES,
    *routing.ROUTES,
    *explain.ROUTES,
    *vendor_models.ROUTES,
    *options.ROUTES,
    *logs.ROUTES,
    *log_streams.ROUTES,
    *usage.ROUTES,
    *performance.ROUTES,
    *catalog.ROUTES,
    *system.ROUTES,
    *models.ROUTES,
    *redemptions.ROUTES,
    *payments.ROUTES,
    *price_sync.ROUTES,
    *subscriptions.ROUTES,
)
"""Every management route that is built."""


def add_routes(
    add: Callable[[Any, str, str], None],
    channel: Any,
    settings: FrontSettings,
    limits: Limits,
    running: Callable[[], int],
) -> None:
    """Registers them. running: how many requests are in flight."""
    manager = Manager(channel, settings, limits, running)
    for route in ROUTES:
        add(manager.handler(route), route.path, route.method)
