"""The front's configuration: typed, filled once by front.command.configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def setting(
    default: Any,
    help_text: str,
    *,
    env: str = "",
    also: tuple[str, ...] = (),
    group: str = "",
    secret: bool = False,
    choices: tuple[str, ...] = (),
    reader: str = "",
) -> Any:
    """A field with what `isthmus config` prints of it.

    env is its environment variable, also those that are read where that one is not set (New API's name for
    the same thing). reader says that something else obeys it, or that nothing does yet.
    """
    told = {"env": env, "also": also, "help": help_text, "group": group, "secret": secret}
    return field(default=default, metadata={**told, "choices": choices, "reader": reader})


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """Everything the front can be told at start."""

    max_body_mb: int = setting(128, "Largest request body, unpacked.", env="MAX_REQUEST_BODY_MB", group="HTTP")
    anonymous_body_kb: int = setting(
        512, "Largest body of a management request.", env="ANONYMOUS_REQUEST_BODY_LIMIT_KB", group="HTTP"
    )
    bodies_in_flight_mb: int = setting(
        512, "Body bytes of all requests together; above, 503.", env="ISTHMUS_BODIES_IN_FLIGHT_MB", group="HTTP"
    )
    body_seconds: float = setting(60.0, "Longest a body may take to arrive.", env="ISTHMUS_BODY_SECONDS", group="HTTP")
    max_depth: int = setting(100, "Deepest nesting of JSON.", env="ISTHMUS_MAX_JSON_DEPTH", group="HTTP")
    max_messages: int = setting(8192, "Most messages of a conversation.", env="ISTHMUS_MAX_MESSAGES", group="HTTP")
    header_bytes: int = setting(32768, "Largest header block.", env="ISTHMUS_MAX_HEADER_BYTES", group="HTTP")
    trusted_redirects: str = setting(
        "",
        "Domains that payment pages may return to, by comma; those below them, too.",
        env="TRUSTED_REDIRECT_DOMAINS",
        group="HTTP",
    )
    trusted_proxies: int = setting(
        0, "Proxies before the front whose X-Forwarded-For is believed.", env="ISTHMUS_TRUSTED_PROXIES", group="HTTP"
    )
    ping_seconds: float = setting(
        15.0, "Silence of a stream after which a comment is sent; 0: never.", env="ISTHMUS_PING_SECONDS", group="HTTP"
    )
    request_seconds: float = setting(
        60.0, "Longest a header block may take.", env="ISTHMUS_HEADER_SECONDS", group="HTTP"
    )
    keep_alive_seconds: float = setting(
        75.0,
        "How long a connection may be idle, or a refused body go on.",
        env="ISTHMUS_KEEP_ALIVE_SECONDS",
        group="HTTP",
    )
    stall_seconds: float = setting(
        300.0, "Longest a client may take nothing of its answer.", env="ISTHMUS_CLIENT_STALL_SECONDS", group="HTTP"
    )
    api_limit_enabled: bool = setting(
        True, "Limit management requests by address.", env="GLOBAL_API_RATE_LIMIT_ENABLE", group="Limits"
    )
    api_limit: int = setting(
        360, "Management requests of an address in a window.", env="GLOBAL_API_RATE_LIMIT", group="Limits"
    )
    api_limit_seconds: float = setting(
        180.0, "Length of that window.", env="GLOBAL_API_RATE_LIMIT_DURATION", group="Limits"
    )
    web_limit_enabled: bool = setting(
        True, "Limit pages by address.", env="GLOBAL_WEB_RATE_LIMIT_ENABLE", group="Limits"
    )
    web_limit: int = setting(120, "Pages of an address in a window.", env="GLOBAL_WEB_RATE_LIMIT", group="Limits")
    web_limit_seconds: float = setting(
        180.0, "Length of that window.", env="GLOBAL_WEB_RATE_LIMIT_DURATION", group="Limits"
    )
    critical_limit_enabled: bool = setting(
        True, "Limit sign-ins and the like by address.", env="CRITICAL_RATE_LIMIT_ENABLE", group="Limits"
    )
    critical_limit: int = setting(
        20, "Sign-ins and the like of an address in a window.", env="CRITICAL_RATE_LIMIT", group="Limits"
    )
    critical_limit_seconds: float = setting(
        1200.0, "Length of that window.", env="CRITICAL_RATE_LIMIT_DURATION", group="Limits"
    )
    search_limit_enabled: bool = setting(
        True, "Limit searches by account.", env="SEARCH_RATE_LIMIT_ENABLE", group="Limits"
    )
    search_limit: int = setting(10, "Searches of an account in a window.", env="SEARCH_RATE_LIMIT", group="Limits")
    search_limit_seconds: float = setting(
        60.0, "Length of that window.", env="SEARCH_RATE_LIMIT_DURATION", group="Limits"
    )
    mail_limit: int = setting(
        2, "Mails an address may ask for in a window; 0: no limit.", env="ISTHMUS_MAIL_LIMIT", group="Limits"
    )
    mail_limit_seconds: float = setting(30.0, "Length of that window.", env="ISTHMUS_MAIL_SECONDS", group="Limits")
    front_secret: str = setting(
        "", "Shown to a core elsewhere.", env="ISTHMUS_FRONT_SECRET", secret=True, group="Secrets"
    )
    secure_cookie: bool = setting(
        False, "Send the session cookie over TLS only.", env="ISTHMUS_SECURE_COOKIE", group="Accounts"
    )
