"""AWS Bedrock and Google Cloud as strict stand-ins: signatures, assertions and bodies are checked as the houses do."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote

import jwt
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.servers.shapes import faults
from tests.vendors import frames

ACCESS, SECRET, REGION = "AKIDEXAMPLE0001", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1"
API_KEY = "bedrock-api-key-0123456789"
SKEW_SECONDS = 300
"""How far a signature's time may be from the server's."""
PROJECT, EMAIL, KEY_ID = "project-1", "gateway@project-1.iam.gserviceaccount.com", "key-1"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GOOGLE_KEY = "AQ.google-api-key-1"


class Refused(Exception):
    """An answer that is an error: status, kind, message."""


@dataclass
class Heard:
    """One request as it came."""

    method: str
    path: str
    """As it stood in the request line, percent signs and query included."""
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


def check_signature(heard: Heard, host: str, now: float) -> None:
    """Computes the request's signature anew with botocore. Raises Refused."""
    given = heard.headers.get("authorization", "")
    if given == f"Bearer {API_KEY}":
        return
    algorithm, _, rest = given.partition(" ")
    fields = dict(item.strip().split("=", 1) for item in rest.split(",")) if rest else {}
    if algorithm != "AWS4-HMAC-SHA256" or fields.keys() != {"Credential", "SignedHeaders", "Signature"}:
        raise Refused(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    stamp = heard.headers.get("x-amz-date", "")
    access, day, region, service, end = fields["Credential"].split("/")
    if (access, day, region, service, end) != (ACCESS, stamp[:8], REGION, "bedrock", "aws4_request"):
        raise Refused(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
    signed = fields["SignedHeaders"].split(";")
    if not {"host", "x-amz-date"} <= set(signed) or signed != sorted(signed):
        raise Refused(403, "InvalidSignatureException", "Host and date must be signed.")
    at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    if abs(now - at) > SKEW_SECONDS:
        raise Refused(403, "InvalidSignatureException", "Signature expired.")
    headers = {name: heard.headers[name] for name in signed}
    request = AWSRequest(heard.method, f"http://{host}{heard.path}", headers, heard.body)
    request.context["timestamp"] = stamp
    signer = SigV4Auth(Credentials(ACCESS, SECRET), "bedrock", REGION)
    wanted = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    if wanted != fields["Signature"]:
        raise Refused(403, "InvalidSignatureException", "The request signature we calculated does not match.")


@dataclass
class Google:
    """A service account, its tokens, and what the token endpoint was asked."""

    private_key: str = ""
    public_key: Any = None
    tokens: set[str] = field(default_factory=set)
    exchanges: int = 0
    lifetime: int = 3600
    failing: int = 0
    """A status that the token endpoint answers instead."""
    delay: float = 0.0
    """Seconds before the token endpoint answers."""

    def account(self, base: str, **more: Any) -> str:
        """The JSON of the service account, as Google gives it out."""
        made = {
            "type": "service_account", "project_id": PROJECT, "private_key_id": KEY_ID,
            "private_key": self.private_key, "client_email": EMAIL, "client_id": "1",
            "token_uri": f"{base}/token", **more,
        }  # fmt: skip
        return json.dumps(made)

    def exchange(self, heard: Heard, base: str) -> dict[str, Any]:
        """A token for a signed assertion. Raises Refused."""
        self.exchanges += 1
        time.sleep(self.delay)
        if self.failing:
            raise Refused(self.failing, "invalid_grant", "Invalid JWT Signature.")
        form = parse_qs(heard.body.decode())
        assert heard.headers["content-type"] == "application/x-www-form-urlencoded"
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        told = form["assertion"][0]
        try:
            assert jwt.get_unverified_header(told) == {"typ": "JWT", "alg": "RS256", "kid": KEY_ID}
            claims = jwt.decode(told, self.public_key, algorithms=["RS256"], audience=f"{base}/token")
        except jwt.InvalidTokenError as error:
            raise Refused(400, "invalid_grant", f"Invalid JWT: {error}") from None
        assert claims["iss"] == EMAIL
        assert claims["scope"] == SCOPE
        assert claims["exp"] - claims["iat"] <= 3600
        token = f"ya29.token-{self.exchanges}"
        self.tokens.add(token)
        return {"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer"}


@dataclass
class Clouds:
    """Both houses behind one address, and what they heard."""

    url: str
    google: Google
    heard: list[Heard] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


USAGE = {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10, "cacheReadInputTokens": 2, "cacheWriteInputTokens": 1}
CLAUDE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_sequence": None,
    "stop_reason": "end_turn", "content": [{"type": "text", "text": "Hello."}],
    "usage": {"input_tokens": 7, "output_tokens": 3},
}  # fmt: skip
_START = {**CLAUDE, "content": [], "stop_reason": None, "usage": {"input_tokens": 7, "output_tokens": 1}}
CLAUDE_STREAM: list[dict[str, Any]] = [
    {"type": "message_start", "message": _START},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello."}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}},
    {"type": "message_stop"},
]
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello."}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10},
    "modelVersion": "gemini", "responseId": "r1",
}  # fmt: skip
OPEN = {
    "id": "c", "object": "chat.completion", "created": 1, "model": "meta/llama",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}  # fmt: skip
VECTORS = {
    "predictions": [{"embeddings": {"values": [0.1, 0.2], "statistics": {"token_count": 2, "truncated": False}}}]
}


def bedrock(heard: Heard, host: str) -> tuple[str, bytes]:
    """Content type and body of Bedrock's answer. Raises Refused."""
    check_signature(heard, host, time.time())
    _, _, model, method = heard.path.split("/")
    body = heard.json()
    if "claude" in model and method.startswith("invoke"):
        if body.keys() & {"model", "stream"} or body.get("anthropic_version") != "bedrock-2023-05-31":
            raise Refused(400, "ValidationException", "Malformed input request.")
        if method == "invoke":
            return "application/json", json.dumps(CLAUDE).encode()
        return "application/vnd.amazon.eventstream", b"".join(frames.chunk(event) for event in CLAUDE_STREAM)
    if method not in ("converse", "converse-stream"):
        raise Refused(404, "UnknownOperationException", "")
    wrong = faults(body, "Converse" if method == "converse" else "ConverseStream")
    if wrong:
        raise Refused(400, "ValidationException", "; ".join(wrong))
    message = {"role": "assistant", "content": [{"text": "Hello."}]}
    if method == "converse":
        told = {"output": {"message": message}, "stopReason": "end_turn", "usage": USAGE, "metrics": {"latencyMs": 1}}
        return "application/json", json.dumps(told).encode()
    return "application/vnd.amazon.eventstream", frames.stream(
        [
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hello."}}},
            {"contentBlockStop": {"contentBlockIndex": 0}},
            {"messageStop": {"stopReason": "end_turn"}},
            {"metadata": {"usage": USAGE, "metrics": {"latencyMs": 1}}},
        ]
    )


def _open_stream() -> list[Any]:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "meta/llama"}
    choice = {"index": 0, "delta": {"role": "assistant", "content": "Hello."}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return [
        {**chunk, "choices": [choice]},
        {**chunk, "choices": [end]},
        {**chunk, "choices": [], "usage": OPEN["usage"]},
    ]


def _events(told: list[Any], named: bool = False) -> bytes:
    out = b""
    for event in told:
        out += (
            (f"event: {event['type']}\n" if named else "").encode() + b"data: " + json.dumps(event).encode() + b"\n\n"
        )
    return out


def vertex(heard: Heard, google: Google) -> tuple[str, bytes]:
    """Content type and body of Vertex AI's answer. Raises Refused."""
    path, _, query = heard.path.partition("?")
    by_key = heard.headers.get("x-goog-api-key") == GOOGLE_KEY
    scheme, _, token = heard.headers.get("authorization", "").partition(" ")
    if not by_key and (scheme != "Bearer" or token not in google.tokens):
        raise Refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
    if not by_key and heard.headers.get("x-goog-user-project") != PROJECT:
        raise Refused(403, "PERMISSION_DENIED", "The quota project is missing.")
    body, method = heard.json(), unquote(path).rpartition(":")[2]
    if path.endswith("/endpoints/openapi/chat/completions"):
        if "/" not in body["model"]:
            raise Refused(400, "INVALID_ARGUMENT", "The model must be named with its publisher.")
        if body.get("stream"):
            return "text/event-stream", _events(_open_stream()) + b"data: [DONE]\n\n"
        return "application/json", json.dumps(OPEN).encode()
    if "rawpredict" in method.lower():
        if "model" in body or body.get("anthropic_version") != "vertex-2023-10-16":
            raise Refused(400, "INVALID_ARGUMENT", "anthropic_version: Field required")
        if method == "rawPredict":
            return "application/json", json.dumps(CLAUDE).encode()
        return "text/event-stream", _events(CLAUDE_STREAM, named=True)
    if method == "generateContent":
        return "application/json", json.dumps(GEMINI).encode()
    if method == "streamGenerateContent" and query == "alt=sse":
        return "text/event-stream", _events([GEMINI])
    if method == "predict":
        return "application/json", json.dumps(VECTORS).encode()
    raise Refused(404, "NOT_FOUND", f"{path} was not found.")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    clouds: Clouds

    def do_POST(self) -> None:
        """Any of the houses' methods, by its path."""
        clouds = self.clouds
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        heard = Heard("POST", self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        clouds.heard.append(heard)
        extra: dict[str, str] = {}
        try:
            if heard.path == "/token":
                kind, out, status = (
                    "application/json",
                    json.dumps(clouds.google.exchange(heard, clouds.url)).encode(),
                    200,
                )
            elif heard.path.startswith("/model/"):
                (kind, out), status = bedrock(heard, self.headers["Host"]), 200
            else:
                (kind, out), status = vertex(heard, clouds.google), 200
        except Refused as error:
            status, name, said = error.args
            clouds.refused.append(f"{name}: {said}")
            kind, extra = "application/json", {"x-amzn-errortype": name}
            told: Any = {"message": said}
            if heard.path == "/token":
                told = {"error": name, "error_description": said}
            elif not heard.path.startswith("/model/"):
                told = {"error": {"code": status, "message": said, "status": name}}
            out = json.dumps(told).encode()
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(out)), **extra}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(out)

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


@contextlib.contextmanager
def clouds() -> Iterator[Clouds]:
    """Both houses for the time of the block."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pem = private.private_bytes(encoding, form, serialization.NoEncryption()).decode()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {}))
    made = Clouds(f"http://127.0.0.1:{server.server_address[1]}", Google(pem, private.public_key()))
    server.RequestHandlerClass.clouds = made  # type: ignore[attr-defined]
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
