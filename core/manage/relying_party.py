"""The site as passkeys know it: its domain, its origins, what is asked of devices. From options; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.errors import Forbidden, InvalidRequest
from core.options.kinds import TRUE

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
ORIGINS_MOST = 20


class PasskeysOff(Forbidden):
    """passkey.enabled is off."""

    reason = "PASSKEYS_OFF"
    default_message = "Passkeys are switched off."


@dataclass(frozen=True, slots=True)
class Party:
    """verification and attachment are WebAuthn's words; attachment may be ""."""

    id: str
    name: str
    origins: tuple[str, ...]
    verification: str
    attachment: str


def origin_of(address: str) -> str:
    """Scheme, host and port of an address, as browsers write them; "" where it is none."""
    try:
        parts = urlsplit(address.strip())
        port = parts.port
    except ValueError:
        return ""
    host = (parts.hostname or "").lower()
    if parts.scheme not in ("http", "https") or not host:
        return ""
    shown = f"[{host}]" if ":" in host else host
    usual = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{shown}" + ("" if port in (None, usual) else f":{port}")


def party_of(raw: Mapping[str, str], asked_from: str) -> Party:
    """The party, for a page of this origin. The page's word counts only where no option says who the site is.

    Raises PasskeysOff; InvalidRequest where the site has no address, or one that browsers make no passkeys for.
    """
    if raw["passkey.enabled"] != TRUE:
        raise PasskeysOff()
    told = [piece.strip() for piece in raw["passkey.origins"].split(",") if piece.strip()]
    told = told or [raw["ServerAddress"].strip() or asked_from]
    origins = [origin for each in told[:ORIGINS_MOST] if (origin := origin_of(each))]
    if raw["passkey.allow_insecure_origin"] != TRUE:
        origins = [each for each in origins if each.startswith("https://") or _host(each) in LOCAL]
    if not origins:
        raise InvalidRequest("The site has no address that passkeys can be made for.", param="passkey.origins")
    domain = raw["passkey.rp_id"].strip().lower() or _host(origin_of(raw["ServerAddress"])) or _host(origins[0])
    return Party(
        domain,
        (raw["passkey.rp_display_name"].strip() or raw["SystemName"].strip() or "Isthmus")[:64],
        tuple(origins),
        raw["passkey.user_verification"],
        raw["passkey.attachment_preference"],
    )


def _host(origin: str) -> str:
    return (urlsplit(origin).hostname or "") if origin else ""
