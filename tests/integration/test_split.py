"""A core alone and a front alone, joined by several gRPC connections; the core's health and reflection."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from isthmus.v1 import (
    access_pb2,
    admin_pb2,
    billing_pb2,
    catalog_pb2,
    chat_pb2,
    embedding_pb2,
    rerank_pb2,
)

from front.command.worker import CHANNELS_TO_CORE
from tests.integration.house import NO_LIMITS, House, children, free_port, http, process, until, wait_for
from tests.servers import vendor as fake
from tests.servers.vendor import END, Asked, Vendor, event

SERVICES = {
    service.full_name
    for file in (access_pb2, admin_pb2, billing_pb2, catalog_pb2, chat_pb2, embedding_pb2, rerank_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
}
SECRET = {"ISTHMUS_FRONT_SECRET": "between the two of us"}
HELLO: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
WORKERS = 2


def slow(asked: Asked) -> None:
    """A word now, another when the client has had time to see the first, and so on."""
    asked.stream()
    for number in range(40):
        asked.chunk(event(f"w{number} "))
        asked.watch(0.1)
        if asked.gone.is_set():
            return
    asked.chunk(END)
    asked.chunk(b"")


@dataclass
class Split:
    """A front, and the core behind it."""

    front: House
    core: subprocess.Popen[bytes]
    http_port: int
    vendor: Vendor


@contextlib.contextmanager
def core_alone(data: Path, grpc_port: int, http_port: int) -> Iterator[subprocess.Popen[bytes]]:
    arguments = ["--no-front", "--workers", str(WORKERS), "--port", str(http_port), "--grpc-port", str(grpc_port)]
    with process(
        "front.command.main", "serve", *arguments, "--data", str(data), "--log-level", "WARNING", "--grace", "5",
        environ=SECRET,
    ) as core:  # fmt: skip
        channel = grpc.insecure_channel(f"127.0.0.1:{grpc_port}")
        try:
            grpc.channel_ready_future(channel).result(30)
        finally:
            channel.close()
        yield core


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Split]:
    data, grpc_port, port, unused = tmp_path_factory.mktemp("core"), free_port(), free_port(), free_port()
    with fake.vendor() as vendor, core_alone(data, grpc_port, unused) as core:
        vendor.behaviours["slow"] = slow
        with process(
            "front.command.main", "serve", "--core", f"127.0.0.1:{grpc_port}", "--host", "127.0.0.1", "--workers", "1",
            "--port", str(port), "--log-level", "WARNING", environ={**NO_LIMITS, **SECRET, "ISTHMUS_TRUSTED_PROXIES": "1"},
        ) as front:  # fmt: skip
            base = f"http://127.0.0.1:{port}"
            wait_for(base + "/api/status", front)
            made = House(base, f"127.0.0.1:{grpc_port}", vendor.url, data, front, workers=WORKERS)
            made.set_up()
            made.option("SelfUseModeEnabled", "true")
            made.add_channel(type=1, key="well", models="gpt-4o")
            made.add_channel(type=1, key="slow", models="slow")
            yield Split(made, core, unused, vendor)


@pytest.fixture(scope="module")
def key(split: Split) -> str:
    return split.front.add_key()[1]


def connections(pid: int, port: int) -> int:
    """How many connections to a port of this machine a process holds."""
    inodes = {
        link.readlink().name
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink() and str(link.readlink()).startswith("socket:")
    }
    tables = (Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6"))
    lines = [line.split() for table in tables for line in table]
    return sum(
        line[2].endswith(f":{port:04X}") and line[3] == "01" and f"socket:[{line[9]}]" in inodes for line in lines
    )


def test_whole_and_streamed(split: Split, key: str) -> None:
    whole = split.front.chat(key)
    assert whole.status == 200, whole.body
    assert whole.json()["choices"][0]["message"]["content"] == "fine"
    streamed = split.front.chat(key, stream=True)
    assert streamed.body.endswith(b"data: [DONE]\n\n")
    for reply in (whole, streamed):
        line = split.front.line(reply.headers["x-request-id"])
        assert line["quota"] > 0


def test_several_connections_reach_the_core(split: Split, key: str) -> None:
    """One connection would stay with one of the core's workers."""
    for _ in range(CHANNELS_TO_CORE):
        assert split.front.chat(key).status == 200
    worker = children(split.front.gateway.pid)[0]
    assert connections(worker, int(split.front.grpc.split(":")[1])) == CHANNELS_TO_CORE


def test_errors_cross_the_wire(split: Split, key: str) -> None:
    for body, secret, status, code in (
        (HELLO, "sk-wrong", 401, "invalid_api_key"),
        ({**HELLO, "model": "none"}, key, 404, "model_not_found"),
        ({**HELLO, "model": "none", "stream": True}, key, 404, "model_not_found"),
    ):
        reply = http(
            "POST", split.front.base + "/v1/chat/completions", body, {"Authorization": f"Bearer {secret}"}
        )  # fmt: skip
        assert (reply.status, reply.json()["error"]["code"]) == (status, code)
        assert reply.headers["x-request-id"] in reply.json()["error"]["message"]


def test_a_client_that_leaves_cancels_the_vendor(split: Split, key: str) -> None:
    with socket.create_connection(("127.0.0.1", split.front.port), 20) as raw:
        body = b'{"model":"slow","stream":true,"messages":[{"role":"user","content":"x"}]}'
        raw.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key.encode()
            + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )  # fmt: skip
        told = b""
        while b"w2 " not in told:
            data = raw.recv(65536)
            assert data, told
            told += data
    assert split.vendor.last("slow").gone.wait(20), "the vendor's connection must end with the client's"


def test_the_clients_address_is_believed_with_the_fronts_secret(split: Split) -> None:
    """The core sees the front's address; what counts is the one the front tells."""
    _, secret = split.front.add_key(allow_ips="203.0.113.0/24")
    headers = {"Authorization": f"Bearer {secret}"}
    url = split.front.base + "/v1/models"
    assert http("GET", url, headers={**headers, "X-Forwarded-For": "203.0.113.9"}).status == 200
    assert http("GET", url, headers={**headers, "X-Forwarded-For": "198.51.100.9"}).status == 403


def test_a_core_alone_has_no_http_port(split: Split) -> None:
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", split.http_port), 5):
        pass


async def test_health(split: Split) -> None:
    async with grpc.aio.insecure_channel(split.front.grpc) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", *sorted(SERVICES)):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING, name
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await stub.Check(health_pb2.HealthCheckRequest(service="isthmus.v1.Nobody"))
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


async def test_reflection(split: Split) -> None:
    """All services are listed, and a client without protos is told what a method takes."""
    request = reflection_pb2.ServerReflectionRequest
    asked = [request(list_services=""), request(file_containing_symbol="isthmus.v1.ChatService")]
    async with grpc.aio.insecure_channel(split.front.grpc) as channel:
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter(asked))
        listed, described = [answer async for answer in call]
    names = {service.name for service in listed.list_services_response.service}
    assert names >= SERVICES | {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    files = described.file_descriptor_response.file_descriptor_proto
    assert any(b"StreamGenerateRequest" in file for file in files)


def test_while_the_core_stops_it_says_so(split: Split, key: str) -> None:
    """The last test: NOT_SERVING while a stream still runs to its end, then the front tells 503 in its envelope."""
    worker_count = len(children(split.core.pid))
    assert worker_count == WORKERS
    channel = grpc.insecure_channel(split.front.grpc)
    seen: list[int] = []
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    split.core.send_signal(signal.SIGTERM)
    with contextlib.suppress(grpc.RpcError):
        seen.extend(answer.status for answer in watch)
    channel.close()
    assert seen == [health_pb2.HealthCheckResponse.NOT_SERVING]
    assert split.core.wait(30) == 0
    reply = until(lambda: (found := split.front.chat(key)).status == 503 and found, "no 503 while the core is away")
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "127.0.0.1" not in error["message"]
