"""An account's own settings: which members there are, what each may be, how changes are merged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from core.errors import InvalidRequest, RoleTooLow
from core.manage import fields
from core.state.types import ROLE_ADMIN, Principal

SECRETS = ("webhook_secret", "gotify_token")
"""Members that only the account itself is told."""
ADMINS_ONLY = frozenset({"upstream_model_update_notify_enabled"})
URL_MOST = 2048
MODULES_MOST = 16_384


def _choice(*names: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in names


def _text(most: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and len(value) <= most and "\0" not in value


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _url(value: Any) -> bool:
    if value == "":
        return True
    if not _text(URL_MOST)(value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _threshold(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _priority(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10


def _modules(value: Any) -> bool:
    if not _text(MODULES_MOST)(value):
        return False
    try:
        return value == "" or isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


MEMBERS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "notify_type": (_choice("email", "webhook", "bark", "gotify"), "email, webhook, bark or gotify"),
    "quota_warning_threshold": (_threshold, "a number above 0"),
    "webhook_url": (_url, "an http or https address"),
    "webhook_secret": (_text(255), "a text of at most 255 characters"),
    "notification_email": (_text(191), "a text of at most 191 characters"),
    "bark_url": (_url, "an http or https address"),
    "gotify_url": (_url, "an http or https address"),
    "gotify_token": (_text(255), "a text of at most 255 characters"),
    "gotify_priority": (_priority, "a number from 0 to 10"),
    "upstream_model_update_notify_enabled": (_flag, "true or false"),
    "accept_unset_model_ratio_model": (_flag, "true or false"),
    "record_ip_log": (_flag, "true or false"),
    "sidebar_modules": (_modules, "a JSON object as text"),
    "language": (_choice("", "zh", "zh-CN", "zh-TW", "en", "fr", "ja", "ru", "vi"), "a language of the console"),
    "billing_preference": (
        _choice("subscription_first", "wallet_first", "subscription_only", "wallet_only"),
        "subscription_first, wallet_first, subscription_only or wallet_only",
    ),
}
"""Every member of users.setting (New API's names), and what it may be."""


def parse(stored: str) -> dict[str, Any]:
    """Settings as the database holds them; what cannot be read counts as none."""
    try:
        found = json.loads(stored or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def merge(principal: Principal, stored: str, patch_json: str) -> str:
    """The settings with the members of the patch written. Raises InvalidRequest, RoleTooLow."""
    patch = fields.json_object(patch_json, "setting")
    for name, value in patch.items():
        if name not in MEMBERS:
            raise InvalidRequest(f"There is no setting {name[:64]}.", param="setting")
        fits, wanted = MEMBERS[name]
        if not fits(value):
            raise InvalidRequest(f"{name} must be {wanted}.", param=name)
        if name in ADMINS_ONLY and principal.account.role < ROLE_ADMIN:
            raise RoleTooLow(f"Only administrators set {name}.")
    merged = {**parse(stored), **patch}
    if merged.get("notify_type") == "webhook" and not merged.get("webhook_url"):
        raise InvalidRequest("Notices by webhook need its address.", param="webhook_url")
    return json.dumps(merged)


def for_others(stored: str) -> str:
    """The settings as administrators see them: without the account's own secrets."""
    found = parse(stored)
    return json.dumps({name: value for name, value in found.items() if name not in SECRETS}) if found else stored
