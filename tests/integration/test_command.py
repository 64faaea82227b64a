"""The `isthmus` command: doctor, demo. What a running process does is in test_process.py."""

from __future__ import annotations

from pathlib import Path

from tests.integration.house import free_port, run


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
