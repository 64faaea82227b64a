"""Streams that end early: by the client, by the gateway's stop; what they cost, and what the vendor notices."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.house import House, children, house, memory, until
from tests.servers import vendor as fake
from tests.servers.vendor import END, Asked, Vendor, event

GRANTED = 50_000_000
WORDS = 5


def slow(asked: Asked) -> None:
    """Five words, then nothing until the gateway hangs up."""
    asked.stream()
    for number in range(WORDS):
        asked.chunk(event(f"w{number} "))
    asked.watch()


def cheap(asked: Asked) -> None:
    """The same, for inputs of any length."""
    slow(asked)


def late(asked: Asked) -> None:
    """A head that never comes."""
    asked.watch()


def patient(asked: Asked) -> None:
    """A stream of about a second."""
    asked.stream()
    for number in range(20):
        asked.chunk(event(f"w{number} "))
        time.sleep(0.05)
    asked.chunk(END)
    asked.chunk(b"")


def unhurried(asked: Asked) -> None:
    """A whole answer after a second."""
    time.sleep(1.0)
    asked.whole(fake.answer())


def flood(asked: Asked) -> None:
    """As much text as is read."""
    asked.stream()
    piece = event("word " * 2000)
    asked.connection.settimeout(30)
    try:
        while asked.sent < 1 << 30:
            asked.chunk(piece)
    except OSError:
        asked.gone.set()


BEHAVIOURS = {each.__name__: each for each in (slow, cheap, late, patient, unhurried, flood)}


def client(made: House, key: str, model: str, stream: bool = True, buffer: int = 0, text: str = "x") -> socket.socket:
    """A request on a socket of its own, sent."""
    raw = socket.socket()
    if buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    raw.settimeout(20)
    raw.connect(("127.0.0.1", made.port))
    body = json.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}).encode()
    raw.sendall(
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return raw


def read_until(raw: socket.socket, mark: bytes) -> bytes:
    """What comes, to a mark or the end."""
    out = b""
    while mark not in out and (data := raw.recv(65536)):
        out += data
    return out


def id_of(head: bytes) -> str:
    """The request id an answer's head names."""
    lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n\r\n")[0].split(b"\r\n")[1:])
    return next(value for name, value in lines.items() if name.lower() == b"x-request-id").decode()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Vendor]]:
    data: Path = tmp_path_factory.mktemp("endings")
    environ = {"ISTHMUS_CLIENT_STALL_SECONDS": "2"}
    with fake.vendor() as vendor, house(data, environ=environ, sandbox=vendor.url) as made:
        prepare(made, vendor)
        yield made, vendor


def prepare(made: House, vendor: Vendor) -> None:
    """A channel for each behaviour, named as its model."""
    made.option("SelfUseModeEnabled", "true")
    made.option("ModelRatio", '{"flood": 0.001, "cheap": 0.001}')
    for name, behave in BEHAVIOURS.items():
        vendor.behaviours[name] = behave
        made.add_channel(type=1, key=name, base_url=vendor.url, models=name)


def test_a_client_that_leaves_a_stream_pays_for_what_it_got(stage: tuple[House, Vendor]) -> None:
    made, vendor = stage
    key_id, key = made.add_key(remain_quota=GRANTED)
    with client(made, key, "slow") as raw:
        told = read_until(raw, b"w4 ")
    request_id = id_of(told)
    assert vendor.last("slow").gone.wait(10), "the vendor's connection must be closed with the client's"
    line = made.line(request_id)
    assert line["receipt"]["ending"] == "ENDING_CLIENT_CLOSED"
    assert line["completion_tokens"] == 2 * WORDS
    assert GRANTED - made.token(key_id)["remain_quota"] == line["quota"] > 0


@pytest.mark.parametrize("size", [1, 50_000, 300_000, 4_000_000])
def test_a_client_that_leaves_is_seen_whatever_it_sent(stage: tuple[House, Vendor], size: int) -> None:
    """A silent stream: nothing is written to the client that would tell that it is gone."""
    made, vendor = stage
    _, key = made.add_key(remain_quota=GRANTED)
    with client(made, key, "cheap", text="word " * (size // 5 + 1)) as raw:
        read_until(raw, b"w4 ")
    assert vendor.last("cheap").gone.wait(10), "the vendor's connection must be closed with the client's"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_client_that_leaves_before_the_answer_pays_nothing(stage: tuple[House, Vendor], stream: bool) -> None:
    made, vendor = stage
    key_id, key = made.add_key(remain_quota=GRANTED)
    before = vendor.counts["late"]
    with client(made, key, "late", stream):
        until(lambda: vendor.counts["late"] > before, "the vendor was not asked")
    assert vendor.last("late").gone.wait(10), "the vendor's connection must be closed with the client's"
    made.money()
    assert made.token(key_id)["remain_quota"] == GRANTED
    assert not [line for line in made.logs() if line["token_id"] == key_id and line["quota"]]


def test_a_client_that_does_not_read_holds_the_vendor_back(stage: tuple[House, Vendor]) -> None:
    """The vendor's writes stop after what buffers hold; memory stays; after a while the client is cut, and pays."""
    made, vendor = stage
    _, key = made.add_key(remain_quota=GRANTED)
    worker = children(made.gateway.pid)[0]
    base = memory(worker)
    with client(made, key, "flood", buffer=4096) as raw:
        head = raw.recv(1024)
        asked = vendor.wait("flood")
        last = -1

        def still() -> bool:
            nonlocal last
            before, last = last, asked.sent
            time.sleep(0.2)
            return before == last

        until(still, "the vendor is read on and on")
        assert asked.sent < 32 << 20
        assert memory(worker) - base < 48 << 20
        assert asked.gone.wait(15), "a client that takes nothing must be cut"
    line = made.line(id_of(head + b"\r\n\r\n"))
    assert line["receipt"]["ending"] == "ENDING_CLIENT_CLOSED"
    assert line["quota"] > 0


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[tuple[House, Vendor]]:
    """A gateway of its own that a test may stop, with two seconds of grace."""
    with fake.vendor() as vendor, house(tmp_path, sandbox=vendor.url, grace=2.5) as made:
        prepare(made, vendor)
        yield made, vendor


def stop(made: House) -> int:
    """Sends SIGTERM and waits; the exit status."""
    made.gateway.send_signal(signal.SIGTERM)
    return made.gateway.wait(15)


def lines_of(data: Path) -> dict[str, Any]:
    """request id -> its row, from the database of a gateway that has stopped."""
    from isthmus.v1 import billing_pb2

    with closing(sqlite3.connect(data / "isthmus.db")) as database:
        assert database.execute("SELECT sum(leased) FROM purses").fetchone() == (0,)
        rows = database.execute("SELECT request_id, receipt FROM logs WHERE receipt IS NOT NULL").fetchall()
    return {request_id: billing_pb2.Receipt.FromString(receipt) for request_id, receipt in rows if receipt}


def test_the_stop_waits_for_what_can_end_and_cuts_the_rest(stopped: tuple[House, Vendor]) -> None:
    """SIGTERM: a stream and an answer that end in time are whole; one that never ends is told so, and billed."""
    from isthmus.v1 import billing_pb2

    made, vendor = stopped
    _, key = made.add_key(remain_quota=GRANTED)
    with client(made, key, "patient") as ends, client(made, key, "slow") as never, client(
        made, key, "unhurried", stream=False
    ) as whole:  # fmt: skip
        begun, cut = read_until(ends, b"w0 "), read_until(never, b"w4 ")
        vendor.wait("unhurried")
        stopping = threading.Thread(target=stop, args=(made,))
        stopping.start()
        rest = read_until(ends, b"[DONE]")
        answer = read_until(whole, b"fine")
        tail = read_until(never, b"\r\n0\r\n\r\n")
        stopping.join(15)
    assert made.gateway.returncode == 0
    assert rest.rstrip(b"\r\n0").endswith(b"data: [DONE]")
    assert b" 200 OK" in answer
    assert b"fine" in answer
    error = json.loads(tail[tail.index(b"data: {") + 6 :].split(b"\n\n")[0])["error"]
    assert "stopping" in error["message"]
    assert b"[DONE]" not in tail
    receipts = lines_of(made.data)
    assert receipts[id_of(begun)].ending == billing_pb2.ENDING_COMPLETE
    assert receipts[id_of(answer)].ending == billing_pb2.ENDING_COMPLETE
    ended = receipts[id_of(cut)]
    assert ended.ending == billing_pb2.ENDING_SHUTDOWN
    assert ended.usage.output_tokens == 2 * WORDS
    assert ended.quota > 0
    assert vendor.last("slow").gone.wait(10)


def test_while_it_stops_new_requests_are_turned_away(stopped: tuple[House, Vendor]) -> None:
    """A connection that is open already gets 503 with Retry-After and is closed; a new one is refused."""
    made, _ = stopped
    _, key = made.add_key(remain_quota=GRANTED)
    with client(made, key, "slow") as never, socket.create_connection(("127.0.0.1", made.port), 10) as idle:
        read_until(never, b"w4 ")
        request = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key.encode() + b"\r\n\r\n"
        idle.sendall(request)
        assert b" 200 OK" in read_until(idle, b"]")
        made.gateway.send_signal(signal.SIGTERM)
        until(lambda: not listens(made.port), "the port is not closed")
        idle.sendall(request)
        told = read_until(idle, b"nothing ends this but the end")
    assert b" 503 " in told.split(b"\r\n")[0]
    assert b"retry-after: 1" in told.lower()
    assert b"connection: close" in told.lower()
    assert made.gateway.wait(15) == 0


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_death_of_the_supervisor_ends_the_workers(stopped: tuple[House, Vendor]) -> None:
    """SIGKILL of the main process leaves no orphan: workers stop by themselves, as gracefully."""
    made, _ = stopped
    workers = children(made.gateway.pid)
    os.kill(made.gateway.pid, signal.SIGKILL)
    made.gateway.wait(5)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "a worker lives on", 15)
    with closing(sqlite3.connect(made.data / "isthmus.db")) as database:
        assert database.execute("SELECT count(*) FROM journals WHERE state = 'live'").fetchone() == (0,)
