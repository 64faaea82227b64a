"""The process: restarts, failed starts, stops under load, revoked keys, what logs hold and do not hold."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from front.command.supervisor import POLL_SECONDS, RESTART_FIRST, cpu_seconds
from tests.integration.house import House, children, free_port, house, http, run, until
from tests.integration.test_crash import Load, billed_once

CANARY = "canary-7f3a9b-prompt"
FAIL_SECONDS = 10.0
REVOKE_SECONDS = 1.0


def slowness() -> float:
    """How much slower this machine starts a process now than a quiet one does (0.6 s), at least 1."""
    began = time.monotonic()
    assert run("--version").returncode == 0
    return max(1.0, (time.monotonic() - began) / 0.6)


# -- failed starts -------------------------------------------------------------------------------


def fails(*arguments: str, **environ: str) -> str:
    """What a start that cannot work prints; it ends in time, with a status that is not 0."""
    slow = slowness()
    began = time.monotonic()
    ended = run("serve", "--host", "127.0.0.1", *arguments, **environ)
    assert ended.returncode not in (0, -9)
    assert time.monotonic() - began < FAIL_SECONDS * slow
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = fails("--port", port, "--grpc-port", "0", "--data", str(tmp_path))
        assert port in told
        assert "choose another --port" in told
        told = fails("--port", "0", "--grpc-port", port, "--data", str(tmp_path))
        assert port in told
        assert "choose another --grpc-port" in told


@pytest.mark.parametrize("kind", ["refused", "silent", "no database", "no scheme"])
def test_a_bad_dsn(tmp_path: Path, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as quiet:
        port = {"refused": free_port(), "silent": quiet.getsockname()[1]}.get(kind, 1)
        dsn = f"postgres://isthmus:very-secret@127.0.0.1:{port}/isthmus"
        if kind == "no scheme":
            dsn = "isthmus:very-secret@127.0.0.1/isthmus"
        told = fails("--port", "0", "--grpc-port", "0", "--data", str(tmp_path), SQL_DSN=dsn)
    assert "Check SQL_DSN" in told
    assert "very-secret" not in told


def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for data in (str(tmp_path / "file" / "data"), "/proc/isthmus"):
        told = fails("--port", "0", "--grpc-port", "0", "--data", data)
        assert data in told
        assert "--data" in told


def test_a_damaged_database(tmp_path: Path) -> None:
    (tmp_path / "isthmus.db").write_bytes(b"this is no database" * 1000)
    told = fails("--port", "0", "--grpc-port", "0", "--data", str(tmp_path))
    assert "The database cannot be used" in told


def test_a_second_instance_on_the_same_data(own: House) -> None:
    told = fails("--port", "0", "--grpc-port", "0", "--data", str(own.data))
    assert "Another Isthmus is running" in told
    assert "--data" in told


def test_settings_that_are_none() -> None:
    assert "STREAMING_TIMEOUT must be a number" in fails(STREAMING_TIMEOUT="soon")
    assert "--workers" in fails("--workers", "0")


# -- running --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway with two workers whose every word is kept."""
    data = tmp_path_factory.mktemp("own")
    with house(data, workers=2, log=data / "output.txt", level="DEBUG") as made:
        made.add_channel()
        yield made


def test_a_killed_worker_is_back_within_5_s(own: House) -> None:
    """Counted in what the house decides: the pause, and the processor time until it is ready.

    On a machine that does nothing else that is the time on the clock; here others may be at work.
    """
    before = children(own.gateway.pid)
    os.kill(before[0], signal.SIGKILL)
    new = until(lambda: set(children(own.gateway.pid)) - set(before), "no new worker").pop()
    # It is back when it logs that it is ready.
    until(lambda: any(line.get("pid") == new for line in lines(own)), "the new worker is not ready", 60)
    assert POLL_SECONDS + RESTART_FIRST + cpu_seconds(new) < 5.0
    died = [line for line in lines(own) if line["message"] == "worker died; starting it again"]
    assert [line["pause_s"] for line in died] == [RESTART_FIRST]


def lines(made: House) -> list[dict[str, Any]]:
    """What the gateway has logged so far; a line that is being written is left out."""
    text = (made.data / "output.txt").read_text()
    whole = text[: text.rfind("\n") + 1].splitlines()
    return [json.loads(line) for line in whole if line.startswith("{")]


def revoke_disable(own: House, key_id: int) -> None:
    own.manage("PUT", "/api/token/?status_only=true", {"id": key_id, "status": 2})


def revoke_delete(own: House, key_id: int) -> None:
    own.manage("DELETE", f"/api/token/{key_id}")


def revoke_addresses(own: House, key_id: int) -> None:
    shown = own.token(key_id)
    own.manage("PUT", "/api/token/", {**shown, "allow_ips": "10.0.0.0/8"})


@pytest.mark.parametrize("revoke", [revoke_disable, revoke_delete, revoke_addresses], ids=lambda each: each.__name__)
def test_a_revoked_key_stops_within_1_s_on_every_worker(own: House, revoke: Callable[[House, int], None]) -> None:
    """Clients that ask on without a break, over connections held with both workers, get nothing after 1 s."""
    key_id, secret = own.add_key()
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_connection(("127.0.0.1", own.port), 20)) for _ in range(12)]
        assert {ask(raw, secret) for raw in held} == {200}
        revoke(own, key_id)
        time.sleep(REVOKE_SECONDS)
        assert {ask(raw, secret) for raw in held} <= {401, 403}


def ask(raw: socket.socket, secret: str) -> int:
    """The status of a request on a connection that stays open."""
    raw.sendall(f"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += raw.recv(65536)
    top, _, body = answer.partition(b"\r\n\r\n")
    length = int(next(line[15:] for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:")))
    while len(body) < length:
        body += raw.recv(65536)
    return int(top.split(b" ")[1])


def test_logs_are_json_lines_without_prompts_and_keys(own: House) -> None:
    """A canary as prompt, in bad bodies, in vendor errors, in keys and channel keys: nowhere in all that is printed."""
    own.add_channel(key="sk-canary-channel-key-0123456789", models="canary-model")
    _, secret = own.add_key()
    directives = ("", "[[sandbox status=500]]", "[[sandbox reset]]", "[[sandbox broken_json]]", "[[sandbox html]]")
    ids = []
    for directive in directives:
        for stream in (False, True):
            reply = own.chat(secret, f"{CANARY} {directive}", stream=stream)
            ids.append((directive, reply.headers["x-request-id"]))
    headers = {"Authorization": f"Bearer {secret}"}
    http("POST", own.base + "/v1/chat/completions", f'{{"model": "{CANARY}'.encode(), headers)
    http("POST", own.base + f"/v1/{CANARY}?key={secret}", {}, headers)
    http("GET", own.base + "/v1/models", headers={"Authorization": f"Bearer sk-{CANARY}"})
    own.chat(secret, CANARY, model="gpt-4o", temperature=CANARY)
    own.chat(secret[:-1], CANARY)
    own.manage("GET", f"/api/channel/test/{own.channels[-1]}?model=gpt-4o")
    failed = {request_id for directive, request_id in ids if directive}
    until(lambda: failed <= {line.get("request_id") for line in lines(own)}, "a failed request is not in the log")
    text = (own.data / "output.txt").read_text()
    # Two lines are for people: they say where it listens.
    spoken = [line for line in text.splitlines() if line and not line.startswith("{")]
    assert spoken == [f"Isthmus listens on {own.base}", f"gRPC on {own.grpc}"]
    for line in lines(own):
        assert {"time", "level", "logger", "message"} <= set(line)
    for hidden in (CANARY, secret, secret.removeprefix("sk-"), "canary-channel-key", own.access_token):
        assert hidden not in text


def test_ledger_commands(own: House) -> None:
    """While it runs: sums, both workers' journals. Releasing a node that is not there changes nothing."""
    ended = run("ledger", "status", "--data", str(own.data))
    assert ended.returncode == 0
    assert "records set aside: 0" in ended.stdout
    assert ended.stdout.count(" live: ") == 2
    ended = run("ledger", "release", "no-such-node", "--yes", "--data", str(own.data))
    assert ended.returncode == 0
    assert "Released 0 leases" in ended.stdout
    assert own.chat(own.add_key()[1]).status == 200


def test_doctor_beside_a_running_gateway(own: House) -> None:
    """It says that ports are taken, and does no harm."""
    ended = run("doctor", "--data", str(own.data), "--port", str(own.port), ISTHMUS_GRPC_PORT=own.grpc.split(":")[1])
    assert ended.returncode == 1
    assert "[!!] http port" in ended.stdout
    assert "[!!] grpc port" in ended.stdout
    assert "[ok] database: sqlite" in ended.stdout
    assert "[ok] channels" in ended.stdout
    assert own.chat(own.add_key()[1]).status == 200


def test_migrate_twice(tmp_path: Path) -> None:
    for _ in range(2):
        ended = run("migrate", "--data", str(tmp_path))
        assert ended.returncode == 0
        assert "up to date" in ended.stdout


def test_config_masks_what_is_secret(tmp_path: Path) -> None:
    dsn = "postgres://isthmus:very-secret@db.example/isthmus"
    assert run("config", "--data", str(tmp_path), STREAMING_TIMEOUT="soon").returncode == 1
    secrets = {"SESSION_SECRET": "hush-1", "CRYPTO_SECRET": "hush-2", "ISTHMUS_FRONT_SECRET": "hush-3"}
    ended = run("config", "--data", str(tmp_path), SQL_DSN=dsn, **secrets)
    assert ended.returncode == 0
    for hidden in ("very-secret", *secrets.values()):
        assert hidden not in ended.stdout
    assert str(tmp_path) in ended.stdout
    assert "session_secret = ********" in ended.stdout


# -- stopping -------------------------------------------------------------------------------------


def test_a_stop_under_load_loses_nothing(tmp_path: Path) -> None:
    """SIGTERM while clients ask: what they finished is billed, nobody gets half an answer, status 0."""
    with house(tmp_path, workers=2) as made:
        made.add_channel()
        _, secret = made.add_key(remain_quota=50_000_000)
        halves: list[bytes] = []
        with Load([made.port], secret, halves) as load:
            load.goes_on(30, 0)
            made.gateway.send_signal(signal.SIGTERM)
            assert made.gateway.wait(30) == 0
        assert not halves
    billed_once(made, load.finished, 0)
    assert not list((tmp_path / "journal").glob("*.journal"))


def test_a_second_signal_changes_nothing(tmp_path: Path) -> None:
    with house(tmp_path) as made:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            made.gateway.send_signal(number)
            time.sleep(0.05)
        assert made.gateway.wait(30) == 0
