"""The `isthmus` command: doctor, demo. What a running process does is in test_process.py."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from front.command.demo_asks import ASKS
from tests.integration.house import free_port, run

COMMANDS = (
    (), ("serve",), ("demo",), ("migrate",), ("config",), ("sandbox",), ("doctor",), ("ledger",), ("ledger", "status"),
    ("ledger", "release"), ("import",),
)  # fmt: skip


def test_doctor_says_what_to_do(tmp_path: Path) -> None:
    assert run("migrate", "--data", str(tmp_path)).returncode == 0
    ended = run("doctor", "--data", str(tmp_path), "--port", str(free_port()), ISTHMUS_GRPC_PORT=str(free_port()))
    assert "[ok] database: sqlite" in ended.stdout
    assert "[!!] channels: there is none" in ended.stdout
    assert ended.returncode == 1


def test_demo_once() -> None:
    ended = run("demo", "--once", "--port", str(free_port()), timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    blocks = [
        block.partition("\n")[::2] for block in re.split(r"\n\n\d+\. ", ended.stdout.split("\nYours to try")[0])[1:]
    ]
    assert [title for title, _ in blocks] == [*(question.title for question in ASKS), "gRPC"]
    for _, told in blocks:
        # An answer in words, and the receipt to the unit: the formula's end is what was charged.
        assert re.search(r"^  answer +\w+", told, re.MULTILINE), told
        assert re.search(r"^  receipt +[0-9a-f]{24}$", told, re.MULTILINE), told
        charged = re.search(r"^  charged +(\d+) units", told, re.MULTILINE)
        assert charged is not None, told
        assert int(charged[1]) > 0
        assert f"= {charged[1]}\n" in told
    ways = Counter(
        (match[1], match[2]) for match in re.finditer(r"Sandbox as (\w+) .*?, (as it came|translated),", ended.stdout)
    )
    assert {name for name, _ in ways} == {"OpenAI", "Anthropic", "Gemini"}
    assert {how for _, how in ways} == {"as it came", "translated"}
    assert ended.stdout.count("curl 'http://127.0.0.1:") == 3
    key = re.search(r"^  key +(sk-\w{48})$", ended.stdout, re.MULTILINE)
    assert key is not None
    assert re.search(r"^  sign in +root / \S+$", ended.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_and_option_is_explained(command: tuple[str, ...]) -> None:
    """--help names what each does; no option stands without words."""
    told = run(*command, "--help")
    assert told.returncode == 0
    options = told.stdout.partition("options:")[2].strip().splitlines()
    heads = [number for number, line in enumerate(options) if line.startswith(("-", "  -"))]
    for number in heads:
        words = options[number].split("  ")
        follows = options[number + 1] if number + 1 < len(options) else ""
        assert len([word for word in words if word.strip()]) > 1 or follows.startswith("   "), options[number]


def test_the_commands_are_all_here() -> None:
    told = run("--help").stdout
    named = set(re.findall(r"^    (\w+) ", told, re.MULTILINE))
    assert named == {command[0] for command in COMMANDS if command}
