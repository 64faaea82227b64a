"""Strict stand-ins of OAuth providers: OpenID Connect, GitHub, Discord, Linux DO, a WeChat server, Turnstile.

They check what the real ones check (client, code good once, callback, PKCE, media type, User-Agent) and can be told to
lie, so that a test sees what the gateway makes of it. Sources: RFC 6749, RFC 7636, OpenID Connect Core 1.0 and
Discovery 1.0, docs.github.com (OAuth apps), discord.com/developers (OAuth2), developers.cloudflare.com (Turnstile).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "the-client", "the-secret/with+signs"


@dataclass
class Code:
    """What a person's consent became."""

    person: dict[str, Any]
    redirect_uri: str
    challenge: str
    nonce: str


@dataclass
class Provider:
    """The running stand-ins, all on one port."""

    base: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    kid: str = "k1"
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    """Codes that were shown a second time."""
    asked: list[str] = field(default_factory=list)
    """Paths, in order."""
    claims: dict[str, Any] = field(default_factory=dict)
    """Overrides of ID tokens' claims; None takes one away."""
    answers: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    """Paths that answer something else: status, media type, body."""
    header_only: bool = False
    """The secret must come as HTTP Basic."""
    forge: str = ""
    """How ID tokens are wrong: "key", "none", "hs256", "missing"."""
    wechat: dict[str, str] = field(default_factory=dict)
    turnstile: dict[str, bool] = field(default_factory=dict)

    def consent(self, person: dict[str, Any], url: str = "", **fields: str) -> str:
        """A code, as if the person had consented at the address the browser was sent to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()} | fields
        code = secrets.token_urlsafe(16)
        self.codes[code] = Code(
            person, asked.get("redirect_uri", ""), asked.get("code_challenge", ""), asked.get("nonce", "")
        )
        return code

    def id_token(self, code: Code) -> str:
        now = int(time.time())
        claims = {
            "iss": self.base, "aud": CLIENT, "sub": str(code.person.get("sub", "")), "iat": now, "exp": now + 300,
            **({"nonce": code.nonce} if code.nonce else {}), **self.claims,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.forge == "none":
            return jwt.encode(claims, "", algorithm="none")
        if self.forge == "hs256":
            return jwt.encode(claims, SECRET, algorithm="HS256", headers={"kid": self.kid})
        key = rsa.generate_private_key(65537, 2048) if self.forge == "key" else self.key
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": self.kid})

    def jwks(self) -> dict[str, Any]:
        shown = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**shown, "kid": self.kid, "use": "sig", "alg": "RS256"}]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    house: Provider

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def _reply(self, status: int, body: Any, kind: str = "application/json") -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        house, parts = self.house, urlsplit(self.path)
        house.asked.append(parts.path)
        if parts.path in house.answers:
            status, kind, body = house.answers[parts.path]
            self._reply(status, body, kind)
        elif parts.path == "/.well-known/openid-configuration":
            known = {
                "issuer": house.base,
                "jwks_uri": f"{house.base}/jwks",
                "code_challenge_methods_supported": ["S256"],
            }
            for name, path in (("authorization", "authorize"), ("token", "token"), ("userinfo", "userinfo")):
                known[f"{name}_endpoint"] = f"{house.base}/{path}"
            self._reply(200, {**known, "internal_note": "not for others"})
        elif parts.path == "/jwks":
            self._reply(200, house.jwks())
        elif parts.path in ("/userinfo", "/user", "/api/v10/users/@me", "/api/user"):
            kind, _, token = self.headers.get("Authorization", "").partition(" ")
            if kind != "Bearer" or token not in house.tokens:
                self._reply(401, {"error": "invalid_token"})
            elif not self.headers.get("User-Agent"):
                self._reply(403, {"message": "Request forbidden by administrative rules."})
            else:
                self._reply(200, house.tokens[token])
        elif parts.path == "/api/wechat/user":
            code = parse_qs(parts.query).get("code", [""])[0]
            right = self.headers.get("Authorization") == "wechat-token"
            found = house.wechat.pop(code, "") if right else ""
            self._reply(200, {"success": bool(found), "message": "" if found else "no", "data": found})
        else:
            self._reply(404, {})

    def do_POST(self) -> None:
        house, path = self.house, urlsplit(self.path).path
        house.asked.append(path)
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if path in house.answers:
            status, kind, body = house.answers[path]
            self._reply(status, body, kind)
            return
        if self.headers.get("Content-Type") != "application/x-www-form-urlencoded":
            self._reply(415, {"error": "invalid_request"})
            return
        form = {name: values[0] for name, values in parse_qs(raw.decode(), strict_parsing=True).items()}
        if path == "/turnstile/v0/siteverify":
            good = form.get("secret") == "turnstile-secret" and self.house.turnstile.pop(
                form.get("response", ""), False
            )
            self._reply(200, {"success": good, "error-codes": [] if good else ["invalid-input-response"]})
        elif path in ("/token", "/login/oauth/access_token", "/api/v10/oauth2/token", "/oauth2/token"):
            self._token(path, form)
        else:
            self._reply(404, {})

    def _token(self, path: str, form: dict[str, str]) -> None:
        house = self.house
        kind, _, pair = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            client, _, secret = base64.b64decode(pair).decode().partition(":")
            shown = (unquote_plus(client), unquote_plus(secret))
        else:
            shown = (form.get("client_id", ""), form.get("client_secret", ""))
        if shown != (CLIENT, SECRET) or (house.header_only and kind != "Basic"):
            self._reply(401, {"error": "invalid_client"})
            return
        name = form.get("code", "")
        code = house.codes.pop(name, None)
        if code is None:
            house.used.append(name)
        verifier = form.get("code_verifier", "")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        if (
            code is None
            or form.get("grant_type") != "authorization_code"
            or (code.redirect_uri and form.get("redirect_uri") != code.redirect_uri)
            or (code.challenge and challenge != code.challenge)
            or (verifier and not code.challenge)
        ):
            # GitHub tells errors with 200.
            self._reply(200 if path.startswith("/login") else 400, {"error": "invalid_grant"})
            return
        token = secrets.token_urlsafe(24)
        house.tokens[token] = code.person
        answer = {"access_token": token, "token_type": "bearer"}
        if path == "/token" and house.forge != "missing":
            answer["id_token"] = house.id_token(code)
        self._reply(200, answer)


@contextlib.contextmanager
def identity() -> Iterator[Provider]:
    """The stand-ins, for the time of the block."""
    house = Provider()
    handler = type("Handler", (_Handler,), {"house": house})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    house.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield house
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
