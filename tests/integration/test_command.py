"""The `isthmus` command: failed starts, second instances, config, doctor, demo."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from tests.integration.house import House, free_port, run


def test_failed_start_ends_within_10_s(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        started = time.monotonic()
        port = str(taken.getsockname()[1])
        ended = run("serve", "--host", "127.0.0.1", "--port", port, "--grpc-port", "0", "--data", str(tmp_path))
    assert ended.returncode != 0
    assert time.monotonic() - started < 10
    assert "choose another" in ended.stderr


def test_unreachable_database_ends_within_10_s(tmp_path: Path) -> None:
    dsn = f"postgres://isthmus:very-secret@127.0.0.1:{free_port()}/isthmus"
    started = time.monotonic()
    ended = run("serve", "--port", "0", "--grpc-port", "0", "--data", str(tmp_path), SQL_DSN=dsn)
    assert ended.returncode != 0
    assert time.monotonic() - started < 10
    assert "very-secret" not in ended.stderr + ended.stdout


def test_second_instance_is_refused(gateway: House) -> None:
    ended = run("serve", "--port", "0", "--grpc-port", "0", "--data", str(gateway.data))
    assert ended.returncode != 0
    assert "Another Isthmus" in ended.stderr


def test_config_masks_secrets(tmp_path: Path) -> None:
    ended = run("config", "--data", str(tmp_path), SESSION_SECRET="hush-hush", SYNC_FREQUENCY="60")
    assert ended.returncode == 0
    assert "hush-hush" not in ended.stdout
    assert "session_secret = ********" in ended.stdout


def test_bad_setting_is_named(tmp_path: Path) -> None:
    ended = run("config", "--data", str(tmp_path), STREAMING_TIMEOUT="soon")
    assert ended.returncode == 1
    assert "STREAMING_TIMEOUT must be a number" in ended.stderr


def test_doctor_says_what_to_do(tmp_path: Path) -> None:
    assert run("migrate", "--data", str(tmp_path)).returncode == 0
    ended = run("doctor", "--data", str(tmp_path), "--port", str(free_port()), ISTHMUS_GRPC_PORT=str(free_port()))
    assert "[ok] database: sqlite" in ended.stdout
    assert "[!!] channels: there is none" in ended.stdout
    assert ended.returncode == 1


def test_demo_once() -> None:
    ended = run("demo", "--once", "--port", str(free_port()), timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("receipt") == 3
    assert "units (" in ended.stdout
    assert "curl http://127.0.0.1:" in ended.stdout
