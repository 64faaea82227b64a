"""What vendors do wrong, whole and streamed: what the client is told, who is asked next, what it costs."""

from __future__ import annotations

import gzip
import json
import socket
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.house import House, Reply, children, forget_peak, free_port, house, memory
from tests.servers import vendor as fake
from tests.servers.vendor import END, Asked, Behaviour, Vendor, event

RETRIES = 2
GRANTED = 10_000_000
SILENCE = 1.0
"""Seconds of silence after which a vendor is given up here."""
ADDRESS = "http://10.1.2.3:8080/internal"
SECRET = "sk-live-0123456789abcdef0123456789abcdef"
TOLD = f"no luck at {ADDRESS} with {SECRET}"


def refused(status: str, extra: str = "", message: str = TOLD) -> Behaviour:
    """A vendor's refusal, with what no client may see in its text."""

    def behave(asked: Asked) -> None:
        asked.whole(json.dumps({"error": {"message": message, "type": "x", "code": None}}).encode(), status=status,
                    extra=extra)  # fmt: skip

    return behave


def silent(asked: Asked) -> None:
    asked.watch(SILENCE * 20)


def reset(asked: Asked) -> None:
    asked.reset()


def html(asked: Asked) -> None:
    asked.whole(f"<html><title>Bad gateway at {ADDRESS}</title></html>".encode(), "text/html")


def gzip_garbage(asked: Asked) -> None:
    asked.whole(b"\x1f\x8b\x08\x00this is not gzip", extra="Content-Encoding: gzip\r\n")


def gzip_cut(asked: Asked) -> None:
    asked.whole(gzip.compress(fake.answer())[:-12], extra="Content-Encoding: gzip\r\n")


def broken_json(asked: Asked) -> None:
    if asked.body.get("stream"):
        asked.stream()
        asked.chunk(b'data: {"broken": \n\n')
        asked.chunk(END)
        asked.chunk(b"")
    else:
        asked.whole(fake.answer()[:-9])


def other_json(asked: Asked) -> None:
    asked.whole(b'[{"hello": 1}]')


def empty(asked: Asked) -> None:
    asked.whole(b"", "text/event-stream" if asked.body.get("stream") else "application/json")


def document(asked: Asked) -> None:
    asked.whole(json.dumps({"error": {"message": TOLD}}).encode())


def cut_body(asked: Asked) -> None:
    asked.head(extra="Content-Length: 5000\r\n")
    asked.send(fake.answer())
    asked.connection.shutdown(socket.SHUT_RDWR)


def not_http(asked: Asked) -> None:
    asked.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


def endless_head(asked: Asked) -> None:
    asked.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        asked.send(b"X-Pad: " + b"x" * 1000 + b"\r\n")


def endless_line(asked: Asked) -> None:
    asked.head("text/event-stream" if asked.body.get("stream") else "application/json")
    while True:
        asked.send(b"x" * 65536)


def error_event(asked: Asked) -> None:
    asked.stream()
    asked.chunk(b"data: " + json.dumps({"error": {"message": TOLD, "code": 429}}).encode() + b"\n\n")
    asked.chunk(b"")


@dataclass(frozen=True)
class Fault:
    """A vendor's misbehaviour before anything was delivered, and the status a client sees when nobody else is left."""

    name: str
    behave: Behaviour | None
    status: int
    retried: bool = True
    modes: tuple[bool, ...] = (False, True)
    """Whether it is tried whole, streamed, or both."""


FAULTS = (
    Fault("f401", refused("401 Unauthorized"), 401),
    Fault("f403", refused("403 Forbidden"), 403),
    Fault("f429", refused("429 Too Many Requests", "Retry-After: 7\r\n"), 429),
    Fault("f500", refused("500 Internal Server Error"), 500),
    Fault("f503", refused("503 Service Unavailable"), 503),
    Fault("f400", refused("400 Bad Request"), 400, retried=False),
    Fault("silence", silent, 504, retried=False),
    Fault("unreachable", None, 502),
    Fault("reset", reset, 502),
    Fault("html", html, 502),
    Fault("gzip-garbage", gzip_garbage, 502),
    Fault("gzip-cut", gzip_cut, 502, modes=(False,)),
    Fault("broken-json", broken_json, 502),
    Fault("other-json", other_json, 502),
    Fault("empty", empty, 502),
    Fault("document", document, 502, modes=(True,)),
    Fault("cut-body", cut_body, 502, modes=(False,)),
    Fault("not-http", not_http, 502),
    Fault("endless-head", endless_head, 502),
    Fault("endless-line", endless_line, 502),
    Fault("error-event", error_event, 429, modes=(True,)),
)
CASES = [
    pytest.param(fault, streamed, id=f"{fault.name}-{'streamed' if streamed else 'whole'}")
    for fault in FAULTS
    for streamed in fault.modes
]


@dataclass
class Stage:
    """A gateway, a vendor that faults on demand, and a key."""

    made: House
    vendor: Vendor
    worker: int

    def fresh(self) -> tuple[int, str]:
        """A key nobody has used: what leaves it is one request's."""
        return self.made.add_key(remain_quota=GRANTED)

    def charged(self, key_id: int) -> int:
        """What has left a key, once its requests are in the log."""
        return GRANTED - int(self.made.token(key_id)["remain_quota"])

    def delivers(self, name: str, behave: Behaviour) -> str:
        """A model that one channel serves, which behaves so; its name."""
        self.vendor.behaviours[name] = behave
        self.made.add_channel(type=1, key=name, base_url=self.vendor.url, models=name)
        return name


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    environ = {
        "STREAMING_TIMEOUT": str(SILENCE), "ISTHMUS_MAX_ANSWER_MB": "8", "ISTHMUS_PING_SECONDS": "0",
        "ISTHMUS_FLUSH_SECONDS": "0.02",
    }  # fmt: skip
    data: Path = tmp_path_factory.mktemp("faults")
    with fake.vendor() as vendor, house(data, environ=environ, sandbox=vendor.url) as made:
        made.option("RetryTimes", str(RETRIES))
        made.option("SelfUseModeEnabled", "true")
        nobody = f"http://127.0.0.1:{free_port()}"
        for fault in FAULTS:
            if fault.behave is not None:
                vendor.behaviours[fault.name] = fault.behave
            made.add_channel(
                type=1, key=fault.name, base_url=vendor.url if fault.behave else nobody, priority=10,
                models=f"{fault.name},{fault.name}-beside",
            )  # fmt: skip
        made.add_channel(
            type=1, key="well", base_url=vendor.url, models=",".join(f"{fault.name}-beside" for fault in FAULTS)
        )
        yield Stage(made, vendor, children(made.gateway.pid)[0])


@pytest.fixture
def key(stage: Stage) -> str:
    return stage.fresh()[1]


def error_of(reply: Reply, status: int) -> dict[str, Any]:
    """The error in OpenAI's envelope: it names the request, and neither a secret nor an address."""
    assert reply.status == status, (reply.status, reply.body[:300])
    assert reply.headers["content-type"] == "application/json"
    error: dict[str, Any] = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    clean(reply.body, reply.headers["x-request-id"])
    return error


def clean(told: bytes, request_id: str) -> None:
    """A text a client is told of an error names its request and hides what is nobody's business."""
    assert request_id.encode() in told, told
    for hidden in (SECRET, SECRET[8:24], "10.1.2.3", "8080", "127.0.0.1"):
        assert hidden.encode() not in told, told


@pytest.mark.parametrize(("fault", "streamed"), CASES)
def test_nothing_delivered_costs_nothing(stage: Stage, fault: Fault, streamed: bool) -> None:
    """With nobody else to ask: a clear error, the tries that routing allows, and no unit is charged."""
    (key_id, key), asked = stage.fresh(), stage.vendor.counts[fault.name]
    forget_peak(stage.worker)
    base = memory(stage.worker)
    reply = stage.made.chat(key, model=fault.name, stream=streamed)
    error_of(reply, fault.status)
    if fault.name == "f429":
        assert reply.headers["retry-after"] == "7"
    line = stage.made.line(reply.headers["x-request-id"])
    tries = RETRIES + 1 if fault.retried else 1
    assert len(line["tried"]) == tries
    if fault.behave is not None:
        assert stage.vendor.counts[fault.name] - asked == tries
    assert (line["type"], line["quota"], line["receipt"]["ending"]) == (5, 0, "ENDING_FAILED")
    assert stage.charged(key_id) == 0
    assert memory(stage.worker, peak=True) - base < 64 << 20


@pytest.mark.parametrize(("fault", "streamed"), [case for case in CASES if case.values[0].retried])
def test_another_channel_answers(stage: Stage, fault: Fault, streamed: bool) -> None:
    """The one that failed is asked once, the next one answers, and its answer alone is billed."""
    model, (key_id, key) = f"{fault.name}-beside", stage.fresh()
    failed, well = stage.vendor.counts[fault.name], stage.vendor.counts["well"]
    reply = stage.made.chat(key, model=model, stream=streamed)
    assert reply.status == 200, reply.body
    assert b"fine" in reply.body
    line = stage.made.line(reply.headers["x-request-id"])
    assert stage.vendor.counts["well"] - well == 1
    # A channel that has failed just now may rest: then it is left out.
    assert len(line["tried"]) == len(set(line["tried"])) <= 2
    assert stage.vendor.counts[fault.name] - failed <= 1
    assert (line["prompt_tokens"], line["completion_tokens"]) == (10, 5)
    assert stage.charged(key_id) == line["quota"] > 0


def test_a_channel_that_fails_is_not_drawn_again_while_another_remains(stage: Stage, key: str) -> None:
    """Two that fail, one that is well, in one tier: each is asked once at most."""
    for name in ("twin-a", "twin-b"):
        stage.vendor.behaviours[name] = refused("500 Internal Server Error")
        stage.made.add_channel(type=1, key=name, base_url=stage.vendor.url, models="triple")
    stage.made.add_channel(type=1, key="triple-well", base_url=stage.vendor.url, models="triple")
    for _ in range(6):
        before = {name: stage.vendor.counts[name] for name in ("twin-a", "twin-b", "triple-well")}
        assert stage.made.chat(key, model="triple").status == 200
        assert all(stage.vendor.counts[name] - count <= 1 for name, count in before.items())


def test_statuses_outside_the_list_are_not_retried(stage: Stage, key: str) -> None:
    asked = stage.vendor.counts["f400"]
    error_of(stage.made.chat(key, model="f400-beside"), 400)
    assert stage.vendor.counts["f400"] == asked + 1


def test_retry_after_rests_the_key(stage: Stage, key: str) -> None:
    """429 with Retry-After: while it rests, requests go to the channel beside it at once."""
    model = stage.delivers("rests", refused("429 Too Many Requests", "Retry-After: 60\r\n"))
    stage.made.add_channel(type=1, key="awake", base_url=stage.vendor.url, models=model, priority=-5)
    for _ in range(3):
        assert stage.made.chat(key, model=model).status == 200
    assert stage.vendor.counts["rests"] == 1


# -- cut after some was delivered --------------------------------------------------------------

WORDS = ["one ", "two ", "three ", "four "]
PAUSE = 0.15
"""Seconds in which what was told reaches the client before the cut."""


def begun(asked: Asked) -> None:
    """A stream that has told four words, one event a write."""
    asked.stream()
    for word in WORDS:
        asked.chunk(event(word))
    time.sleep(PAUSE)


def cut_by_reset(asked: Asked) -> None:
    begun(asked)
    asked.reset()


def cut_by_close(asked: Asked) -> None:
    begun(asked)
    asked.connection.shutdown(socket.SHUT_RDWR)


def cut_by_end(asked: Asked) -> None:
    begun(asked)
    asked.chunk(b"")


def cut_by_silence(asked: Asked) -> None:
    begun(asked)
    asked.watch()


def cut_by_error(asked: Asked) -> None:
    begun(asked)
    asked.chunk(b"data: " + json.dumps({"error": {"message": TOLD, "code": 500}}).encode() + b"\n\n")
    asked.chunk(b"")


def cut_by_broken_json(asked: Asked) -> None:
    begun(asked)
    asked.chunk(b'data: {"broken": \n\n')
    asked.chunk(END)
    asked.chunk(b"")


def cut_by_endless_line(asked: Asked) -> None:
    begun(asked)
    while True:
        asked.chunk(b"x" * 65536)


def cut_by_bad_chunk(asked: Asked) -> None:
    begun(asked)
    asked.send(b"zz\r\nnot a chunk\r\n")


def cut_in_gzip(asked: Asked) -> None:
    asked.head("text/event-stream", extra="Content-Encoding: gzip\r\n")
    packer = zlib.compressobj(wbits=31)
    for word in WORDS:
        asked.send(packer.compress(event(word)) + packer.flush(zlib.Z_SYNC_FLUSH))
    time.sleep(PAUSE)
    asked.send(b"\xff" * 100)
    asked.connection.shutdown(socket.SHUT_RDWR)


CUTS: dict[str, Behaviour] = {
    "reset": cut_by_reset,
    "close": cut_by_close,
    "end": cut_by_end,
    "silence": cut_by_silence,
    "error": cut_by_error,
    "broken-json": cut_by_broken_json,
    "endless-line": cut_by_endless_line,
    "bad-chunk": cut_by_bad_chunk,
    "gzip": cut_in_gzip,
}


@pytest.mark.parametrize("name", CUTS)
def test_what_was_delivered_is_billed(stage: Stage, name: str) -> None:
    """Cut after four words: they arrive, an error event follows, they are billed, nobody else is asked."""
    model, (key_id, key) = stage.delivers(f"cut-{name}", CUTS[name]), stage.fresh()
    stage.made.add_channel(type=1, key="beside", base_url=stage.vendor.url, models=model, priority=-5)
    forget_peak(stage.worker)
    base = memory(stage.worker)
    reply = stage.made.chat(key, model=model, stream=True)
    assert reply.status == 200
    assert memory(stage.worker, peak=True) - base < 100 << 20
    told = [part[6:] for part in reply.body.split(b"\n\n") if part.startswith(b"data: ")]
    texts = [json.loads(part)["choices"][0]["delta"]["content"] for part in told[: len(WORDS)]]
    assert texts == WORDS
    assert b"[DONE]" not in reply.body
    assert len(told) == len(WORDS) + 1, reply.body
    error = json.loads(told[-1])["error"]
    assert set(error) == {"message", "type", "param", "code"}
    clean(told[-1], reply.headers["x-request-id"])
    line = stage.made.line(reply.headers["x-request-id"])
    assert line["receipt"]["ending"] == "ENDING_VENDOR_BROKE"
    assert line["completion_tokens"] == len(WORDS)
    assert stage.charged(key_id) == line["quota"] > 0
    assert len(line["tried"]) == 1


# -- strange, but whole ------------------------------------------------------------------------


def one_byte(asked: Asked) -> None:
    asked.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not asked.body.get("stream"):
        body = fake.answer()
        asked.head(extra=f"Content-Length: {len(body)}\r\n")
        for at in range(len(body)):
            asked.send(body[at : at + 1])
        return
    asked.stream()
    whole = event("fine") + END
    for at in range(len(whole)):
        asked.chunk(whole[at : at + 1])
    asked.chunk(b"")


def other_type(asked: Asked) -> None:
    if asked.body.get("stream"):
        asked.head("text/plain", extra="Transfer-Encoding: chunked\r\n")
        asked.chunk(event("fine") + END)
        asked.chunk(b"")
    else:
        asked.whole(fake.answer(), "text/plain; charset=utf-8")


def no_usage(asked: Asked) -> None:
    if asked.body.get("stream"):
        asked.stream()
        asked.chunk(event("fine") + event(finish="stop") + b"data: [DONE]\n\n")
        asked.chunk(b"")
    else:
        asked.whole(fake.answer(usage=None))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("behave", [one_byte, other_type, no_usage], ids=lambda behave: behave.__name__)
def test_strange_but_whole_answers_arrive(stage: Stage, behave: Behaviour, streamed: bool) -> None:
    key_id, key = stage.fresh()
    model = stage.delivers(f"{behave.__name__}-{streamed}", behave)
    reply = stage.made.chat(key, model=model, stream=streamed)
    assert reply.status == 200
    assert b"fine" in reply.body
    assert not streamed or reply.body.endswith(b"data: [DONE]\n\n")
    line = stage.made.line(reply.headers["x-request-id"])
    assert line["receipt"]["ending"] == "ENDING_COMPLETE"
    if behave is no_usage:
        assert line["completion_tokens"] == 1
    else:
        assert (line["prompt_tokens"], line["completion_tokens"]) == (10, 5)
    assert stage.charged(key_id) == line["quota"] > 0


def test_an_answer_above_the_limit_is_given_up(stage: Stage, key: str) -> None:
    """8 MB are allowed here; the vendor would send for ever, and is left."""
    model = stage.delivers("too-much", endless_line)
    error_of(stage.made.chat(key, model=model), 502)
    assert stage.vendor.last("too-much").sent < 40 << 20


def test_every_purse_closes(stage: Stage) -> None:
    """After all of it: nothing is held, and every charge is in the log."""
    purses = stage.made.money()
    assert all(granted + debt == available + settled for _, granted, available, settled, debt in purses)
    spent = stage.made.rows("SELECT sum(settled) FROM purses WHERE granted = ?", GRANTED)[0][0]
    assert spent == stage.made.rows("SELECT sum(quota) FROM logs")[0][0] > 0
