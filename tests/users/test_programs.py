"""Users' programs against one gateway: each runs in its own environment, over vendors of all three forms."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.house import House, house

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SECONDS = 240
CHANNELS = {
    # The channel's type and models that it alone serves. 53 speaks chat and nothing else.
    1: ("chatgpt-4o-latest", "text-embedding-3-small"),
    14: ("claude-haiku-4-5", "claude-sonnet-5-5"),
    24: ("gemini-2.5-flash", "gemini-3-pro", "gemini-embedding-001"),
    53: ("deepseek-reasoner",),
}
MODELS = [model for models in CHANNELS.values() for model in models if "embedding" not in model]
PROGRAMS = {
    # How many cases it does for each model, and how many once.
    "chain_openai": (11, 1),
    "chain_anthropic": (7, 0),
    "chain_google": (6, 1),
    "index_openai": (5, 0),
    "instruct": (5, 0),
    "agents_pydantic": (5, 0),
}


def python() -> Path:
    """The interpreter that has the users' libraries. Fails where there is none."""
    told = os.environ.get("ISTHMUS_USERS_PYTHON")
    places = [Path(told)] if told else [Path(sys.prefix, "users", "bin", "python"), ROOT / ".venv/users/bin/python"]
    for place in places:
        if place.exists():
            return place
    raise RuntimeError(f"no users' environment at {', '.join(map(str, places))}: make setup makes it")


@dataclass(frozen=True)
class Shop:
    """The gateway and a key for its users."""

    house: House
    key: str


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with house(tmp_path_factory.mktemp("users")) as made:
        made.option("SelfUseModeEnabled", "true")
        for number, models in CHANNELS.items():
            made.add_channel(type=number, models=",".join(models))
        yield Shop(made, made.add_key(unlimited_quota=True)[1])


@pytest.mark.parametrize("program", PROGRAMS)
def test_runs_to_its_end(shop: Shop, program: str) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(shop.house.data),
        "ISTHMUS_BASE": shop.house.base,
        "ISTHMUS_KEY": shop.key,
        "ISTHMUS_EMBEDDING": "text-embedding-3-small",
        "ISTHMUS_GEMINI_EMBEDDING": "gemini-embedding-001",
        "PYTHONWARNINGS": "error::UserWarning:langchain_anthropic,error::UserWarning:langchain_openai",
    }
    done = subprocess.run(
        [str(python()), str(HERE / "programs" / f"{program}.py"), *MODELS],
        env=environ,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = [tuple(json.loads(line)) for line in done.stdout.splitlines() if line.startswith('["')]
    each, once = PROGRAMS[program]
    counts = {model: sum(named == model for named, _ in told) for model in (*MODELS, "")}
    assert counts == {**dict.fromkeys(MODELS, each), "": once}
    for noise in ("unexpected", "Unclosed", "serializer warnings"):
        assert noise not in done.stderr, done.stderr[-2000:]
