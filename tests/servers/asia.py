"""Tencent, Zhipu, Baidu and iFlytek as strict stand-ins: signatures, tokens and members are checked as the houses do."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

TENCENT = "1250000000|AKIDEXAMPLE0001|TencentSecretKey0001"
ZHIPU = "zhipuid0123.zhipusecret012345"
BAIDU = "baidu-client-0001|baidu-secret-0001"
XUNFEI = "a1b2c3d4|XunfeiApiSecret0001|XunfeiApiKey0001"
SKEW_SECONDS = 300
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
LONG = "write for ever"
"""What a client says to iFlytek's stand-in to be answered without end."""


@dataclass
class Asia:
    """All houses, and what they heard: bodies as JSON, or why they refused."""

    url: str
    socket_url: str = ""
    heard: list[Any] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    """Given out by Baidu's stand-in."""
    closed: threading.Event = field(default_factory=threading.Event)
    """Set when the gateway left a websocket before its answer was whole."""


class Refused(Exception):
    """An error in the house's own words."""


def tencent(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Checks TC3-HMAC-SHA256 and the request. Raises Refused."""
    _, secret_id, secret_key = TENCENT.split("|")
    if headers.get("x-tc-action") != "ChatCompletions" or headers.get("x-tc-version") != "2023-09-01":
        raise Refused("InvalidAction")
    stamp = headers["x-tc-timestamp"]
    if abs(time.time() - int(stamp)) > SKEW_SECONDS:
        raise Refused("AuthFailure.SignatureExpire")
    algorithm, _, rest = headers["authorization"].partition(" ")
    told = dict(item.strip().split("=", 1) for item in rest.split(","))
    day = time.strftime("%Y-%m-%d", time.gmtime(int(stamp)))
    scope = f"{day}/hunyuan/tc3_request"
    if algorithm != "TC3-HMAC-SHA256" or told["Credential"] != f"{secret_id}/{scope}":
        raise Refused("AuthFailure.SecretIdNotFound")
    named = told["SignedHeaders"].split(";")
    assert {"content-type", "host"} <= set(named)
    lines = "".join(f"{name}:{headers[name].strip().lower()}\n" for name in named)
    request = f"POST\n/\n\n{lines}\n{';'.join(named)}\n{hashlib.sha256(body).hexdigest()}"
    text = f"{algorithm}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"TC3{secret_key}".encode()
    for piece in (day, "hunyuan", "tc3_request"):
        key = hmac.new(key, piece.encode(), hashlib.sha256).digest()
    if hmac.new(key, text.encode(), hashlib.sha256).hexdigest() != told["Signature"]:
        raise Refused("AuthFailure.SignatureFailure")
    asked: dict[str, Any] = json.loads(body)
    unknown = asked.keys() - {"Model", "Messages", "Stream", "Temperature", "TopP", "Seed", "Stop", "Tools"}
    if unknown:
        raise Refused("UnknownParameter")
    return asked


def zhipu(headers: dict[str, str]) -> None:
    """Checks the token. Raises Refused."""
    name, secret = ZHIPU.split(".")
    try:
        head, claims, signature = headers["authorization"].split(".")
        wanted = hmac.new(secret.encode(), f"{head}.{claims}".encode(), hashlib.sha256).digest()
        told = json.loads(_bytes(claims))
    except (ValueError, KeyError):
        raise Refused("1002") from None
    if json.loads(_bytes(head)).get("sign_type") != "SIGN" or _bytes(signature) != wanted or told["api_key"] != name:
        raise Refused("1002")
    if not told["timestamp"] / 1000 - SKEW_SECONDS < time.time() < told["exp"] / 1000:
        raise Refused("1003")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def xunfei(path: str, host: str) -> str:
    """Why the address of a websocket is refused; empty: it is not."""
    _, secret, key = XUNFEI.split("|")
    address = urlsplit(path)
    query = {name: values[0] for name, values in parse_qs(address.query).items()}
    try:
        told = base64.b64decode(query["authorization"]).decode()
        at = parsedate_to_datetime(query["date"]).timestamp()
    except (KeyError, ValueError):
        return "Unauthorized"
    if abs(time.time() - at) > SKEW_SECONDS:
        return "HMAC signature cannot be verified, a valid date or x-date header is required"
    text = f"host: {host}\ndate: {query['date']}\nGET {address.path} HTTP/1.1"
    signature = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()
    wanted = f'api_key="{key}", algorithm="hmac-sha256", headers="host date request-line", signature="{signature}"'
    return "" if told == wanted and query["host"] == host else "HMAC signature does not match"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asia: Asia

    def do_POST(self) -> None:
        """Any house's method, by its path."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in self.headers.items()}
        address = urlsplit(self.path)
        if address.path == "/":
            self._tencent(headers, body)
        elif address.path == "/oauth/2.0/token":
            self._token({name: values[0] for name, values in parse_qs(address.query).items()})
        elif address.path.startswith("/rpc/2.0/"):
            self._baidu(address.path.rpartition("wenxinworkshop/")[2], parse_qs(address.query), body)
        elif address.path.startswith("/api/paas/v3/model-api/"):
            self._zhipu(address.path, headers, body)
        else:
            self._send("application/json", b"{}", 404)

    def _tencent(self, headers: dict[str, str], body: bytes) -> None:
        try:
            asked = tencent(headers, body)
        except Refused as error:
            self.asia.refused.append(str(error))
            self._json({"Response": {"Error": {"Code": str(error), "Message": "No."}, "RequestId": "r"}})
            return
        self.asia.heard.append(asked)
        usage = {"PromptTokens": 7, "CompletionTokens": 3, "TotalTokens": 10}
        if not asked.get("Stream"):
            choice = {"Index": 0, "FinishReason": "stop", "Message": {"Role": "assistant", "Content": "Hello."}}
            self._json({"Response": {"Id": "i", "Created": 1, "Choices": [choice], "Usage": usage}})
            return
        pieces = [("Hel", ""), ("lo.", ""), ("", "stop")]
        self._events(
            {"Id": "i", "Created": 1, "Usage": usage, "Choices": [{"Delta": {"Content": text}, "FinishReason": end}]}
            for text, end in pieces
        )

    def _token(self, query: dict[str, str]) -> None:
        client, secret = BAIDU.split("|")
        if query != {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}:
            self._json({"error": "invalid_client", "error_description": "unknown client id"}, 401)
            return
        self.asia.tokens.append(f"24.token-{len(self.asia.tokens)}")
        self._json({"access_token": self.asia.tokens[-1], "expires_in": 2592000})

    def _baidu(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        asked = json.loads(body)
        self.asia.heard.append({"path": path, **asked})
        if query.get("access_token", [""])[0] not in self.asia.tokens:
            self._json({"error_code": 110, "error_msg": "Access token invalid or no longer valid"})
        elif path.startswith("embeddings/"):
            rows = [{"object": "embedding", "index": n, "embedding": [0.5, n]} for n in range(len(asked["input"]))]
            self._json({"id": "as", "object": "embedding_list", "created": 1, "data": rows, "usage": USAGE})
        elif "messages" not in asked or len(asked["messages"]) % 2 == 0:
            self._json({"error_code": 336003, "error_msg": "the length of messages must be an odd number"})
        elif asked.get("stream"):
            rest = {"id": "as", "created": 1, "is_truncated": False}
            told = [("Hel", False), ("lo.", False), ("", True)]
            self._events(
                {**rest, "result": text, "is_end": end, **({"usage": USAGE} if end else {})} for text, end in told
            )
        else:
            self._json({"id": "as", "created": 1, "result": "Hello.", "finish_reason": "normal", "usage": USAGE})

    def _zhipu(self, path: str, headers: dict[str, str], body: bytes) -> None:
        try:
            zhipu(headers)
        except Refused as error:
            self.asia.refused.append(str(error))
            self._json({"code": int(str(error)), "msg": "Authorization Token非法", "success": False})
            return
        self.asia.heard.append({"path": path, **json.loads(body)})
        if path.endswith("/sse-invoke"):
            meta = json.dumps({"task_status": "SUCCESS", "usage": USAGE})
            told = (
                f"event:add\nid:1\ndata:Hel\n\nevent:add\nid:1\ndata:lo.\n\nevent:finish\nid:1\nmeta:{meta}\ndata:\n\n"
            )
            self._send("text/event-stream", told.encode())
            return
        data = {"task_id": "1", "choices": [{"role": "assistant", "content": '"Hello."'}], "usage": USAGE}
        self._json({"code": 200, "msg": "", "success": True, "data": data})

    def _events(self, events: Any) -> None:
        self._send("text/event-stream", b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events))

    def _json(self, told: Any, status: int = 200) -> None:
        self._send("application/json", json.dumps(told).encode(), status)

    def _send(self, kind: str, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Nothing."""


def _frame(text: str, status: int, **more: Any) -> str:
    choices = {"status": status, "seq": 0, "text": [{"content": text, "role": "assistant", "index": 0}]}
    header = {"code": 0, "message": "Success", "sid": "s", "status": status}
    return json.dumps({"header": header, "payload": {"choices": choices, **more}})


def _spark(asia: Asia, socket: ServerConnection) -> None:
    """One websocket: a question, frames."""
    try:
        asked = json.loads(socket.recv(timeout=20))
        assert socket.request is not None
        asia.heard.append({"path": urlsplit(socket.request.path).path, **asked})
        if asked["header"]["app_id"] != XUNFEI.split("|")[0]:
            header = {"code": 11200, "message": "AppIdNoAuthError", "sid": "s", "status": 2}
            socket.send(json.dumps({"header": header}))
            return
        said = asked["payload"]["message"]["text"][-1]["content"]
        if said == LONG:
            while True:
                socket.send(_frame("word ", 1))
                time.sleep(0.02)
        socket.send(_frame("Hel", 0))
        socket.send(_frame("lo.", 1))
        socket.send(_frame("", 2, usage={"text": {"question_tokens": 4, **USAGE}}))
        # The house leaves closing to the client.
        with contextlib.suppress(TimeoutError):
            socket.recv(timeout=20)
    except ConnectionClosed:
        asia.closed.set()


@contextlib.contextmanager
def asia() -> Iterator[Asia]:
    """All houses for the time of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {}))
    made = Asia(f"http://127.0.0.1:{server.server_address[1]}")
    server.RequestHandlerClass.asia = made  # type: ignore[attr-defined]
    server.daemon_threads = True

    def check(socket: ServerConnection, request: Request) -> Response | None:
        why = xunfei(request.path, request.headers["Host"])
        if not why:
            return None
        made.refused.append(why)
        body = json.dumps({"message": why}).encode()
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
        return Response(401, "Unauthorized", headers, body)

    with serve(lambda socket: _spark(made, socket), "127.0.0.1", 0, process_request=check) as sockets:
        made.socket_url = f"ws://127.0.0.1:{sockets.socket.getsockname()[1]}"
        threads = [
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True),
            threading.Thread(target=sockets.serve_forever, daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            server.server_close()
            sockets.shutdown()
