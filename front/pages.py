"""The console's files: built by `python -m tools.console` into front/static, served with their compressed forms.

Files with a hash in their name never change and are kept by browsers for a year; the page itself is made anew with
each answer, as its style nonce is. What the policy allows, and why: front/console/README.md.
"""

from __future__ import annotations

import mimetypes
import secrets
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from sanic import Request
from sanic.response import HTTPResponse

STATIC = Path(__file__).parent / "static"
NONCE = "__NONCE__"
"""Where the page's source wants its nonce."""
FOREVER = "public, max-age=31536000, immutable"
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
"""Content codings in the order we like them, and the endings of their files."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; media-src 'self' blob: data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
"""Headers of every file."""
NOT_BUILT = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>Isthmus</title><h1>The console is not built</h1>"
    b"<p>The gateway itself is running: its APIs answer as usual.<p>Build the console in the source tree with "
    b"<code>python -m tools.console</code> (<code>make console</code>) and load this page again."
)


def taken(header: str) -> set[str]:
    """Content codings a client takes, of its Accept-Encoding (RFC 9110, 12.5.3)."""
    found = set()
    for piece in header.lower().split(","):
        name, _, rest = piece.partition(";")
        quality = rest.replace(" ", "").removeprefix("q=") or "1"
        if quality.strip("0.") != "":
            found.add(name.strip())
    return found


class Pages:
    """Serves one folder; nothing outside of the names found in it at the start can be asked for."""

    def __init__(self, folder: Path = STATIC) -> None:
        self._page = folder / "index.html"
        assets = folder / "assets"
        self._assets = {path.name: path for path in assets.iterdir() if path.is_file()} if assets.is_dir() else {}
        self._held: dict[Path, bytes] = {}

    def _read(self, path: Path) -> bytes:
        """A file, read once: they never change under a name."""
        if path not in self._held:
            self._held[path] = path.read_bytes()
        return self._held[path]

    async def asset(self, request: Request, name: str) -> HTTPResponse:
        """A file with a hash in its name, in the smallest form the client takes."""
        path = self._assets.get(name)
        if path is None or path.suffix in (".br", ".gz"):
            return HTTPResponse(b"", 404, {**GUARDS, "Cache-Control": "no-store"})
        headers = {**GUARDS, "Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
        wanted = taken(request.headers.get("accept-encoding", ""))
        for coding, ending in ENCODINGS:
            small = self._assets.get(name + ending)
            if small is not None and coding in wanted:
                path, headers["Content-Encoding"] = small, coding
                break
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if kind.startswith("text/") or kind == "image/svg+xml":
            kind += "; charset=utf-8"
        return HTTPResponse(self._read(path), 200, headers, kind)

    async def page(self, request: Request, **path: Any) -> HTTPResponse:
        """The console's page, whatever client route was asked for."""
        nonce = secrets.token_urlsafe(18)
        headers = {**GUARDS, "Cache-Control": "no-store", "Content-Security-Policy": POLICY.format(nonce=nonce)}
        if not self._page.is_file():
            return HTTPResponse(NOT_BUILT, 503, headers, "text/html; charset=utf-8")
        text = self._page.read_text("utf-8").replace(NONCE, nonce)
        return HTTPResponse(text, 200, headers, "text/html; charset=utf-8")

    def wanted(self, request: Request, apis: Iterable[str]) -> bool:
        """Whether a path that no route has is a client route: a browser goes there, and no API begins so."""
        return (
            request.method in ("GET", "HEAD")
            and "text/html" in request.headers.get("accept", "")
            and not request.path.startswith(tuple(apis))
        )


def add_pages(add: Callable[[Callable[..., Awaitable[HTTPResponse]], str, str], Any], pages: Pages) -> None:
    """Registers the page and its files; add takes handler, path and a name."""
    add(pages.page, "/", "console")
    add(pages.asset, "/assets/<name:str>", "console-asset")
