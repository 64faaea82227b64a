"""Where a database is: SQL_DSN as text, in the forms people have of it, read into one shape."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

Kind = Literal["sqlite", "postgres", "mysql"]

SCHEMES: dict[str, Kind] = {"postgres": "postgres", "postgresql": "postgres", "mysql": "mysql", "mariadb": "mysql"}
PORTS = {"postgres": 5432, "mysql": 3306}
FORMS = "postgres://user:password@host/name, mysql://user:password@host/name, user:password@tcp(host:3306)/name"
TLS = ("false", "true", "skip-verify", "preferred")
"""What `tls=` may say, as Go's MySQL driver has it."""
_GO = re.compile(r"(?P<login>.*)@(?:(?P<net>tcp|unix)\((?P<at>[^()]*)\)|)/(?P<name>[^/?]*)(?:\?(?P<query>.*))?", re.S)
"""[user[:password]@][net[(address)]]/name[?query] (github.com/go-sql-driver/mysql, README, "DSN")."""


@dataclass(frozen=True, slots=True)
class Dsn:
    """A server's database, or an SQLite file. socket: a path instead of host and port."""

    kind: Kind
    name: str
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = "localhost"
    port: int = 0
    socket: str = ""
    tls: str = "false"

    def tls_context(self) -> ssl.SSLContext | None:
        """For the connection; None: without. preferred takes any certificate, and plain text where there is none."""
        if self.tls == "false":
            return None
        context = ssl.create_default_context()
        if self.tls != "true":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


def parse(text: str) -> Dsn:
    """A server's address. Raises ValueError, with no part of the text in it: it holds a password."""
    scheme, mark, _ = text.partition("://")
    if mark and scheme.lower() in SCHEMES:
        return _address(SCHEMES[scheme.lower()], text)
    if found := _GO.fullmatch(text):
        return _go(found)
    raise ValueError(f"SQL_DSN must be of one of the forms {FORMS}")


def _address(kind: Kind, text: str) -> Dsn:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"SQL_DSN holds no valid host and port; its forms are {FORMS}") from None
    name = unquote(parts.path.lstrip("/"))
    if kind == "mysql" and not name:
        raise ValueError("SQL_DSN names no database: mysql://user:password@host/name")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return Dsn(
        kind,
        name or "postgres",
        unquote(parts.username or ("postgres" if kind == "postgres" else "root")),
        unquote(parts.password or ""),
        unquote(parts.hostname or "localhost"),
        port or PORTS[kind],
        query.get("socket", ""),
        _tls(query) if kind == "mysql" else "false",
    )


def _go(found: re.Match[str]) -> Dsn:
    user, _, password = found["login"].partition(":")
    query = {key: values[-1] for key, values in parse_qs(found["query"] or "").items()}
    if not found["name"]:
        raise ValueError("SQL_DSN names no database: user:password@tcp(host:3306)/name")
    host, port, socket = "127.0.0.1", PORTS["mysql"], ""
    if found["net"] == "unix":
        socket = found["at"]
    elif found["at"]:
        head, colon, tail = found["at"].rpartition(":")
        # [::1]:3306, or [::1] alone: the last colon is the port's only outside the brackets.
        alone = not colon or "]" in tail
        host = (found["at"] if alone else head).strip("[]")
        if not alone:
            if not tail.isdecimal():
                raise ValueError("SQL_DSN holds no valid host and port: user:password@tcp(host:3306)/name")
            port = int(tail)
    return Dsn("mysql", unquote(found["name"]), user, password, host, port, socket, _tls(query))


def _tls(query: dict[str, str]) -> str:
    wanted = query.get("tls", "false").lower()
    if wanted not in TLS:
        raise ValueError(f"tls in SQL_DSN must be one of {', '.join(TLS)}")
    return wanted
