"""The front's configuration: typed, filled once by front.command.configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def setting(default: Any, help_text: str, *, env: str = "", secret: bool = False) -> Any:
    """A field with what `isthmus config` prints of it."""
    return field(default=default, metadata={"env": env, "help": help_text, "secret": secret})


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """Everything the front can be told at start."""

    max_body_mb: int = setting(128, "Largest request body, unpacked.", env="MAX_REQUEST_BODY_MB")
    anonymous_body_kb: int = setting(
        512, "Largest body of a management request.", env="ANONYMOUS_REQUEST_BODY_LIMIT_KB"
    )
    bodies_in_flight_mb: int = setting(
        512, "Body bytes of all requests together; above, 503.", env="ISTHMUS_BODIES_IN_FLIGHT_MB"
    )
    body_seconds: float = setting(60.0, "Longest a body may take to arrive.", env="ISTHMUS_BODY_SECONDS")
    max_depth: int = setting(100, "Deepest nesting of JSON.", env="ISTHMUS_MAX_JSON_DEPTH")
    max_messages: int = setting(8192, "Most messages of a conversation.", env="ISTHMUS_MAX_MESSAGES")
    header_bytes: int = setting(32768, "Largest header block.", env="ISTHMUS_MAX_HEADER_BYTES")
    trusted_proxies: int = setting(
        0, "Proxies before the front whose X-Forwarded-For is believed.", env="ISTHMUS_TRUSTED_PROXIES"
    )
    ping_seconds: float = setting(
        15.0, "Silence of a stream after which a comment is sent; 0: never.", env="ISTHMUS_PING_SECONDS"
    )
    request_seconds: float = setting(60.0, "Longest a header block may take.", env="ISTHMUS_HEADER_SECONDS")
    stall_seconds: float = setting(
        300.0, "Longest a client may take nothing of its answer.", env="ISTHMUS_CLIENT_STALL_SECONDS"
    )
    front_secret: str = setting("", "Shown to a core elsewhere.", env="ISTHMUS_FRONT_SECRET", secret=True)
    secure_cookie: bool = setting(False, "Send the session cookie over TLS only.", env="ISTHMUS_SECURE_COOKIE")
