"""Golden cases: three files each, found by their names; what code makes of them. README.md says what they hold."""

from __future__ import annotations

import base64
import dataclasses
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from isthmus.v1 import chat_pb2, common_pb2, embedding_pb2, moderation_pb2, rerank_pb2

from core.errors import IsthmusError
from core.state.types import Channel
from core.vendors.interface import BadAnswer, Call, ToldRefusal
from core.vendors.registry import ALL
from front.dialects.interface import Ask
from front.dialects.strict import load_object
from front.errors import FrontError, from_fault
from front.routes import relay_routes
from tests.golden import texts
from tests.vendors import frames

ROOT = Path(__file__).parent
SECRET = "sk-golden-secret"
REQUEST_ID = "req-golden"
NOW = 1_700_000_000
OPERATIONS = {
    common_pb2.OPERATION_CHAT: "chat",
    common_pb2.OPERATION_EMBEDDING: "embedding",
    common_pb2.OPERATION_RERANK: "rerank",
    common_pb2.OPERATION_MODERATION: "moderation",
}
REQUESTS = {
    "chat": chat_pb2.ChatRequest,
    "embedding": embedding_pb2.Embedding,
    "rerank": rerank_pb2.RerankRequest,
    "moderation": moderation_pb2.Moderation,
}
ANSWERS = {
    "chat": chat_pb2.ChatResponse, "embedding": embedding_pb2.EmbedResponse, "rerank": rerank_pb2.RerankResponse,
    "moderation": moderation_pb2.ModerateResponse,
}  # fmt: skip


class _Recorder:
    """Stands in for the relay while the routes are told: keeps what dialect each path has."""

    def __init__(self) -> None:
        self.found: dict[str, list[tuple[str, str, Any]]] = {}
        self._path = ""

    def chat(self, dialect: Any) -> Any:
        return ("chat", dialect)

    def create(self, dialect: Any) -> Any:
        return ("chat", dialect)

    def embed(self, dialect: Any) -> Any:
        return ("embedding", dialect)

    def rerank(self, dialect: Any) -> Any:
        return ("rerank", dialect)

    def moderate(self, dialect: Any) -> Any:
        return ("moderation", dialect)

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


@cache
def dialects() -> dict[str, list[tuple[str, str, Any]]]:
    """Wire form -> the dialects of it that are routed: path, operation, code."""
    found: dict[str, list[tuple[str, str, Any]]] = {}
    for route in relay_routes(_Recorder(), _Recorder()):  # type: ignore[arg-type]
        path, handler = route[1], route[2]
        # Google's methods share a path: each is told apart by its name behind a colon.
        several = getattr(handler, "handlers", None) or {"": handler}
        for ending, one in several.items():
            if isinstance(one, tuple):
                operation, dialect = one
                named = f"{path}:{ending}" if ending else path
                found.setdefault(dialect.form, []).append((named, operation, dialect))
    return found


@cache
def forms() -> dict[str, tuple[int, str, Any]]:
    """Wire form -> the first vendor that speaks it, its operation, its code."""
    found: dict[str, tuple[int, str, Any]] = {}
    for number, vendor in ALL.items():
        for operation in REQUESTS:
            for form in getattr(vendor, operation):
                found.setdefault(form.name, (number, operation, form))
    return found


def form_of(name: str, number: int) -> tuple[str, Any]:
    """Operation and code of a wire form as one vendor speaks it."""
    for operation in REQUESTS:
        for form in getattr(ALL[number], operation):
            if form.name == name:
                return operation, form
    raise AssertionError(f"{ALL[number].name} does not speak {name}")


@dataclass(frozen=True)
class Case:
    """A case: its files share a path and differ in their ends."""

    path: Path
    """Without .in.json."""

    @property
    def name(self) -> str:
        """Folder and case."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def given(self) -> dict[str, Any]:
        """What .in.json says."""
        return json.loads(self.file("in.json").read_text())

    def file(self, end: str) -> Path:
        """One of its files."""
        return self.path.with_name(f"{self.path.name}.{end}")

    def expected(self, end: str) -> Any:
        """A file's content, as JSON or text."""
        path = self.file(end)
        assert path.exists(), f"{path.name} is missing: write it, or run python -m tests.golden.update and review it"
        return json.loads(path.read_text()) if end.endswith("json") else path.read_bytes().decode()

    def made(self) -> dict[str, Any]:
        """What the code makes of it: end of file name -> content. Ends that are an input are left out."""
        return _KINDS[self.given["what"]](self)

    # -- what the kinds share -----------------------------------------------------------------

    @property
    def dialect(self) -> tuple[str, str, Any] | None:
        """Path, operation and code of the client's dialect: by `dialect` and `route`, or by the folder's name."""
        routed = dialects().get(self.given.get("dialect", self.path.parent.name), [])
        wanted = self.given.get("route")
        return next((one for one in routed if wanted in (None, one[0])), None)

    @property
    def form_name(self) -> str:
        """The vendor's wire form: named, or the folder's."""
        return str(self.given.get("form", self.path.parent.name))

    def speaks(self) -> bool:
        """Whether a vendor speaks the wire form."""
        return self.form_name in forms()

    def form(self) -> tuple[str, Any]:
        """Operation and code, as the case's vendor speaks it."""
        number = self.given.get("call", {}).get("type", forms()[self.form_name][0])
        return form_of(self.form_name, number)

    def body(self) -> bytes:
        """The bytes that came in: .in.sse, or the members body (JSON), text, base64, frames."""
        stream = self.file("in.sse")
        if stream.exists():
            return stream.read_bytes()
        given = self.given
        if "text" in given:
            return str(given["text"]).encode()
        if "base64" in given:
            return base64.b64decode(given["base64"])
        if "frames" in given:
            return frames.stream(given["frames"])
        return orjson.dumps(given["body"])

    def call(self, model: str = "", stream: bool = False, native: common_pb2.Native | None = None) -> Call:
        """The attempt: as the case's call says, else nothing special."""
        said = dict(self.given.get("call", {}))
        number = said.pop("type", forms()[self.form_name][0])
        known = {field.name for field in dataclasses.fields(Channel)}
        channel = Channel(
            **{
                "id": 1, "type": number, "name": "golden", "keys": (), "models": frozenset(), "groups": frozenset(),
                "base_url": ALL[number].base_url or "https://vendor.example.com", "priority": 0, "weight": 0,
                **{name: said.pop(name) for name in list(said) if name in known},
            }
        )  # fmt: skip
        asked = said.pop("asked", model or "asked-model")
        fields = {"secret": SECRET, "asked": asked, "sent": asked, "stream": stream, "created": NOW, "native": native}
        return Call(channel=channel, **{**fields, **said})

    def request(self, operation: str) -> Any:
        """The canonical request an answer belongs to: .in.json's `request`, or an empty one."""
        return texts.read(self.given.get("request", {}), REQUESTS[operation]())


def _ask(case: Case, path: str) -> Ask:
    given, raw = case.given, case.body()
    return Ask(
        raw=raw,
        source=load_object(raw),
        path=given.get("path", path),
        max_messages=8192,
        names=given.get("names", {}),
        query=given.get("query", {}),
        headers=given.get("headers", {}),
    )


def _native(form: str, ask: Ask) -> common_pb2.Native:
    query = "&".join(f"{name}={value}" for name, value in ask.query.items())
    native = common_pb2.Native(form=form, body=ask.raw, query=query)
    for name, value in ask.headers.items():
        native.headers.add(name=name, value=value)
    return native


def _request(case: Case) -> dict[str, Any]:
    """Body -> canonical -> HTTP request, and the body spliced where client and vendor speak alike."""
    out: dict[str, Any] = {}
    found, native = case.dialect, None
    if found is not None and case.given.keys() & {"body", "text"}:
        path, operation, dialect = found
        ask = _ask(case, path)
        native = _native(dialect.form, ask)
        try:
            parsed = dialect.parse(ask)
        except FrontError as error:
            return _refused(case, error)
        envelope, canonical = (parsed.envelope, parsed) if operation == "rerank" else parsed
        out["canonical.json"] = {"envelope": texts.show(envelope), operation: texts.show(canonical)}
        assert texts.read(out["canonical.json"][operation], REQUESTS[operation]()) == canonical
    else:
        told = case.expected("canonical.json")
        envelope = texts.read(told["envelope"], common_pb2.Envelope())
        operation = OPERATIONS[envelope.operation]
        canonical = texts.read(told[operation], REQUESTS[operation]())
    if not case.speaks():
        return out
    _, form = case.form()
    call = case.call(envelope.model, envelope.stream, native)
    try:
        wire = form.encode(canonical, call)
    except IsthmusError as error:
        return {**out, "out.json": {"error": {"reason": error.reason, "message": error.message, "param": error.param}}}
    sent = {"method": wire.method, "url": wire.url, "headers": dict(wire.headers), "body": json.loads(wire.body)}
    if wire.dropped:
        sent["dropped"] = list(wire.dropped)
    if native is not None and native.form == case.form_name:
        spliced = form.splice(native, call)
        assert (spliced.method, spliced.url) == (wire.method, wire.url)
        sent["spliced"] = json.loads(spliced.body)
    return {**out, "out.json": sent}


def _refused(case: Case, error: FrontError) -> dict[str, Any]:
    assert case.dialect is not None
    dialect = case.dialect[2]
    told = {"status": error.status, "message": error.message, "code": error.code, "param": error.param}
    body = json.loads(dialect.error(error, REQUEST_ID))
    return {"canonical.json": {"error": told}, "out.json": {"status": error.status, "body": body}}


def _answer(case: Case) -> dict[str, Any]:
    """The vendor's body -> canonical answer -> body in the client's dialect."""
    out: dict[str, Any] = {}
    operation = case.given.get("operation", "chat")
    call = Call(None, "", "asked-model", "asked-model", False)  # type: ignore[arg-type]
    if case.speaks():
        operation, form = case.form()
        call = case.call()
        body = case.body()
        try:
            answer = form.decode(body, call)
        except ToldRefusal as told:
            return {"canonical.json": {"refused": dataclasses.asdict(told.refusal)}}
        except BadAnswer as error:
            return {"canonical.json": {"broken": str(error)}}
        out["canonical.json"] = {operation: texts.show(answer)}
        passed, usage = form.relay_whole(body, call)
        assert usage == (answer.usage if answer.HasField("usage") else None)
        if call.asked == call.sent and not case.given.get("opens"):
            assert passed == body
    else:
        answer = texts.read(case.expected("canonical.json")[operation], ANSWERS[operation]())
    if case.dialect is not None:
        dialect, request = case.dialect[2], case.request(operation)
        rendered = dialect.render(answer, request, NOW) if operation == "chat" else dialect.render(answer, request)
        out["out.json"] = json.loads(rendered)
    return out


def events(form: Any, call: Call, pieces: list[bytes]) -> tuple[list[chat_pb2.ChatEvent], str]:
    """What a decoder makes of a stream in these pieces, and how it broke (empty: it did not)."""
    decoder = form.decoder(call)
    found: list[chat_pb2.ChatEvent] = []
    try:
        for piece in pieces:
            found += decoder.feed(piece)
        found += decoder.end()
    except BadAnswer as error:
        return found, str(error)
    return found, ""


def relayed(form: Any, call: Call, pieces: list[bytes]) -> tuple[bytes, str, Any]:
    """What a relay passes on of a stream in these pieces, how it broke, and the usage it read."""
    relay = form.relay(call)
    out = b""
    try:
        for piece in pieces:
            out += relay.feed(piece)
        out += relay.end()
    except BadAnswer as error:
        return out, str(error), relay.usage
    return out, "", relay.usage


def _stream(case: Case) -> dict[str, Any]:
    """The vendor's stream -> events -> stream in the client's dialect."""
    out: dict[str, Any] = {}
    call = Call(None, "", "asked-model", "asked-model", True)  # type: ignore[arg-type]
    broken = ""
    if case.speaks():
        _, form = case.form()
        call = case.call(stream=True)
        found, broken = events(form, call, [case.body()])
        out["canonical.json"] = {"events": [texts.show(event) for event in found]}
        if broken:
            out["canonical.json"]["broken"] = broken
        if case.given.get("relay"):
            passed, _, _ = relayed(form, call, [case.body()])
            out["relay.sse"] = passed.decode()
    else:
        found = [texts.read(tree, chat_pb2.ChatEvent()) for tree in case.expected("canonical.json")["events"]]
    if case.dialect is not None:
        envelope = common_pb2.Envelope(operation=common_pb2.OPERATION_CHAT, model=call.asked, stream=True)
        renderer = case.dialect[2].stream(envelope, case.request("chat"), REQUEST_ID, NOW)
        told = b""
        for event in found:
            failed = event.HasField("fault")
            told += renderer.fault(from_fault(event.fault)) if failed else renderer.render(event)
        out["out.sse"] = (told + renderer.close()).decode()
    return out


def _refusal(case: Case) -> dict[str, Any]:
    """A vendor's error answer -> refusal -> the dialect's error body."""
    _, form = case.form()
    found = form.refusal(case.given["status"], case.given.get("headers", {}), case.body(), case.call())
    told = {name: value for name, value in dataclasses.asdict(found).items() if value}
    out = {"canonical.json": {"refusal": told}}
    if case.dialect is not None:
        error = FrontError(found.status, found.message, found.code, found.param, "VENDOR_ERROR", found.retry_after_ms)
        body = json.loads(case.dialect[2].error(error, REQUEST_ID))
        out["out.json"] = {"status": found.status, "body": body}
    return out


_KINDS = {"request": _request, "answer": _answer, "stream": _stream, "refusal": _refusal}


def all_cases() -> list[Case]:
    """Every case, by name."""
    ends = len(".in.json")
    return [Case(path.with_name(path.name[:-ends])) for path in sorted(ROOT.glob("*/*.in.json"))]
