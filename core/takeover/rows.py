"""New API's rows as ours: pure conversions. Each tells what it changed, or why the row stays where it is."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import InvalidRequest
from core.options import table as options
from core.takeover.values import document, flag, moment, text, whole

ROLES = frozenset({1, 10, 100})
"""User, admin, root. New API's guest (0) cannot sign in anywhere."""
ENABLED, DISABLED = 1, 2
KEY_HINT = 4
IDENTITIES = {
    "github": "github_id", "discord": "discord_id", "oidc": "oidc_id", "wechat": "wechat_id",
    "telegram": "telegram_id", "linuxdo": "linux_do_id",
}  # fmt: skip
"""Provider (core/identity/provider.py) -> its column of users."""


class Left(Exception):
    """The row is not taken; the text says why."""


@dataclass(slots=True)
class Taken:
    """Columns of ours; what was changed on the way; money, in units."""

    id: int
    columns: dict[str, Any]
    changed: list[str] = field(default_factory=list)
    quota: int = 0
    """What may still be spent; below 0: owed."""
    used: int = 0
    secret: str = ""
    """What is kept as a hash, or encrypted, and not as it is."""
    invited: tuple[int, int] = (0, 0)
    """What an account got for inviting others: not yet moved, moved."""
    identities: dict[str, str] = field(default_factory=dict)
    """Provider -> who an account is there."""

    def short(self, name: str, value: str, most: int) -> None:
        """Sets a text column, cut where it is too long."""
        if len(value) > most:
            value = value[:most]
            self.changed.append(f"{name} cut to {most} characters")
        self.columns[name] = value


def _when(made: Taken, row: Mapping[str, Any], name: str) -> int:
    try:
        return moment(row.get(name))
    except ValueError:
        made.changed.append(f"{name} cannot be read, and counts as long ago")
        return 1


def _named(row: Mapping[str, Any], name: str, most: int) -> str:
    found = text(row.get(name))
    if not found:
        raise Left(f"it has no {name}")
    if len(found) > most:
        raise Left(f"its {name} has more than {most} characters")
    return found


def user(row: Mapping[str, Any]) -> Taken:
    """An account. access_token is in secret."""
    made = Taken(whole(row["id"]), {}, quota=whole(row.get("quota")), used=max(0, whole(row.get("used_quota"))))
    role, status = whole(row.get("role")), whole(row.get("status"))
    if role not in ROLES:
        role, status = 1, DISABLED
        made.changed.append("role is none of 1, 10, 100: a disabled user")
    if status not in (ENABLED, DISABLED):
        status = DISABLED
        made.changed.append("status is neither 1 nor 2: disabled")
    waiting = max(0, whole(row.get("aff_quota")))
    made.invited = (waiting, max(0, whole(row.get("aff_history")) - waiting))
    made.secret = text(row.get("access_token"))
    for provider, column in IDENTITIES.items():
        if subject := text(row.get(column)):
            made.identities[provider] = subject[:255]
    made.columns = {
        "stripe_customer": text(row.get("stripe_customer"))[:64],
        "username": _named(row, "username", 191),
        "password": text(row.get("password")),
        "role": role,
        "status": status,
        "aff_code": text(row.get("aff_code"))[:32],
        "inviter_id": whole(row.get("inviter_id")),
        "used_quota": made.used,
        "request_count": max(0, whole(row.get("request_count"))),
        "setting": document(row.get("setting")),
        "created_at": whole(row.get("created_at")),
        "last_login_at": whole(row.get("last_login_at")),
        "deleted_at": _when(made, row, "deleted_at"),
    }
    for name, most in (("display_name", 191), ("email", 191), ("group", 64), ("remark", 255)):
        made.short(name, text(row.get(name)), most)
    made.columns["group"] = made.columns["group"] or "default"
    try:
        json.loads(made.columns["setting"] or "{}")
    except ValueError:
        made.columns["setting"] = ""
        made.changed.append("setting is not JSON, and is empty now")
    return made


def token(row: Mapping[str, Any], owners: Mapping[int, int]) -> Taken:
    """An API key; owners: id of each account -> when it was deleted (0: it was not)."""
    owner = whole(row.get("user_id"))
    if owner not in owners:
        raise Left("its account is not there")
    secret = _named(row, "key", 128).removeprefix("sk-")
    made = Taken(whole(row["id"]), {}, quota=whole(row.get("remain_quota")), used=max(0, whole(row.get("used_quota"))))
    if "-" in secret:
        made.changed.append("its key holds a -, behind which a channel is named: as in New API, it does not work")
    deleted = _when(made, row, "deleted_at")
    if owners[owner] and not deleted:
        deleted = owners[owner]
        made.changed.append("deleted, as its account is")
    status = whole(row.get("status"))
    made.secret = secret
    made.columns = {
        "user_id": owner,
        "key_hint": secret[:KEY_HINT] + secret[-KEY_HINT:],
        "status": status if status in (1, 2, 3, 4) else DISABLED,
        "created_time": whole(row.get("created_time")),
        "accessed_time": whole(row.get("accessed_time")),
        "expired_time": whole(row.get("expired_time")),
        "unlimited_quota": flag(row.get("unlimited_quota")),
        "model_limits_enabled": flag(row.get("model_limits_enabled")),
        "model_limits": ",".join(name.strip() for name in text(row.get("model_limits")).split(",") if name.strip()),
        "allow_ips": _networks(made, text(row.get("allow_ips"))),
        "used_quota": made.used,
        "cross_group_retry": flag(row.get("cross_group_retry")),
        "deleted_at": deleted,
    }
    made.short("name", text(row.get("name")), 191)
    made.short("group", text(row.get("group")), 64)
    return made


def _networks(made: Taken, told: str) -> str:
    lines = [line.replace(",", "").replace(" ", "").strip() for line in told.splitlines()]
    for line in filter(None, lines):
        try:
            ipaddress.ip_network(line, strict=False)
        except ValueError:
            made.changed.append("allow_ips holds what is no address: nobody has it")
    return "\n".join(filter(None, lines))


def channel(row: Mapping[str, Any], types: frozenset[int]) -> Taken:
    """A channel; its keys are in secret. types: the numbers that are known here."""
    made = Taken(whole(row["id"]), {}, secret=text(row.get("key")))
    kind, status = whole(row.get("type")), whole(row.get("status"))
    if kind not in types:
        made.changed.append(f"type {kind} is not served here yet: requests to it are refused")
    ban = row.get("auto_ban")
    made.columns = {
        "type": kind,
        "status": status if status in (1, 2, 3) else DISABLED,
        "weight": max(0, whole(row.get("weight"))),
        "priority": whole(row.get("priority")),
        "auto_ban": 1 if ban is None else whole(ban),
        "created_time": whole(row.get("created_time")),
        "test_time": whole(row.get("test_time")),
        "response_time": min(whole(row.get("response_time")), (1 << 31) - 1),
        "balance": float(row.get("balance") or 0),
        "used_quota": max(0, whole(row.get("used_quota"))),
        "open_ai_organization": text(row.get("open_ai_organization")),
        "group": text(row.get("group")) or "default",
    }
    for name in ("test_model", "base_url", "models"):
        made.columns[name] = text(row.get(name))
    for name in _DOCUMENTS:
        made.columns[name] = _checked(made, name, document(row.get(name)))
    made.columns["other"] = document(row.get("other"))
    for name, most in (("name", 191), ("tag", 191), ("remark", 255)):
        made.short(name, text(row.get(name)), most)
    return made


_DOCUMENTS = (
    "model_mapping", "status_code_mapping", "other_info", "setting", "settings", "param_override", "header_override",
    "channel_info",
)  # fmt: skip


def _checked(made: Taken, name: str, told: str) -> str:
    try:
        json.loads(told or "{}")
    except ValueError:
        made.changed.append(f"{name} is not JSON: the channel is refused until it is put right")
    return told


def redemption(row: Mapping[str, Any]) -> Taken:
    """A redemption code, which is in secret."""
    secret = _named(row, "key", 128)
    status = whole(row.get("status"))
    made = Taken(whole(row["id"]), {}, secret=secret)
    if whole(row.get("quota")) < 0:
        raise Left("its quota is below 0")
    made.columns = {
        "user_id": whole(row.get("user_id")),
        "status": status if status in (1, 2, 3) else DISABLED,
        "quota": whole(row.get("quota")),
        "created_time": whole(row.get("created_time")),
        "redeemed_time": whole(row.get("redeemed_time")),
        "used_user_id": whole(row.get("used_user_id")),
        "expired_time": whole(row.get("expired_time")),
        "deleted_at": _when(made, row, "deleted_at"),
    }
    made.short("name", text(row.get("name")), 191)
    return made


def two_factor(row: Mapping[str, Any], owners: Mapping[int, int]) -> Taken:
    """A second factor, whose seed is in secret."""
    if whole(row.get("user_id")) not in owners:
        raise Left("its account is not there")
    if text(row.get("deleted_at")):
        raise Left("it was deleted")
    if not flag(row.get("is_enabled")):
        raise Left("its setup was not finished")
    made = Taken(whole(row["id"]), {}, secret=_named(row, "secret", 255))
    made.columns = {
        "user_id": whole(row.get("user_id")),
        "is_enabled": True,
        "created_at": _when(made, row, "created_at"),
        "updated_at": _when(made, row, "updated_at"),
    }
    return made


def passkey(row: Mapping[str, Any], owners: Mapping[int, int]) -> Taken:
    """A passkey. It works on where the site keeps its name and the account its id."""
    if whole(row.get("user_id")) not in owners:
        raise Left("its account is not there")
    if text(row.get("deleted_at")):
        raise Left("it was deleted")
    made = Taken(whole(row["id"]), {})
    try:
        raw_id = base64.b64decode(_named(row, "credential_id", 4096), validate=True)
        base64.b64decode(_named(row, "public_key", 65_536), validate=True)
    except ValueError:
        raise Left("its credential is not base64") from None
    try:
        guid = str(uuid.UUID(bytes=base64.b64decode(text(row.get("aa_guid")))))
    except ValueError:
        guid = ""
    made.columns = {
        "user_id": whole(row.get("user_id")),
        "credential_hash": hashlib.sha256(raw_id).hexdigest(),
        "credential_id": text(row.get("credential_id")),
        "public_key": text(row.get("public_key")),
        "attestation_type": text(row.get("attestation_type"))[:255],
        "aa_guid": guid,
        "sign_count": max(0, whole(row.get("sign_count"))),
        "last_used_at": _when(made, row, "last_used_at"),
        "created_at": _when(made, row, "created_at"),
    }
    for name in ("clone_warning", "user_verified", "backup_eligible", "backup_state"):
        made.columns[name] = flag(row.get(name))
    return made


def option(row: Mapping[str, Any]) -> tuple[str, str]:
    """Name and value of an option. Raises Left where it is not known here, or does not fit."""
    name, value = text(row.get("key")), text(row.get("value"))
    if options.row(name) is None:
        raise Left("not known here")
    try:
        options.validate(name, value)
    except InvalidRequest as error:
        raise Left(f"its value does not fit ({error.message[:120]})") from error
    return options.ALIASES.get(name, name), value


def log(row: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the log."""
    return {
        "user_id": whole(row.get("user_id")),
        "created_at": whole(row.get("created_at")),
        "type": whole(row.get("type")),
        "content": text(row.get("content")),
        "username": text(row.get("username"))[:191],
        "token_name": text(row.get("token_name"))[:191],
        "model_name": text(row.get("model_name"))[:255],
        "quota": whole(row.get("quota")),
        "prompt_tokens": whole(row.get("prompt_tokens")),
        "completion_tokens": whole(row.get("completion_tokens")),
        "use_time": min(max(whole(row.get("use_time")), 0), (1 << 31) - 1),
        "is_stream": flag(row.get("is_stream")),
        "channel_id": whole(row.get("channel_id")),
        "token_id": whole(row.get("token_id")),
        "group": text(row.get("group"))[:64],
        "ip": text(row.get("ip"))[:64],
        "request_id": text(row.get("request_id"))[:64],
        "upstream_request_id": text(row.get("upstream_request_id"))[:128],
        "other": document(row.get("other")),
    }


Convert = Callable[[Mapping[str, Any]], Taken]
