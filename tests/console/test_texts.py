"""Texts of the console: every language has the same, each is used, none is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tools.console import CONSOLE

SOURCE = CONSOLE / "src"
TEXTS = {path.stem: json.loads(path.read_text("utf-8")) for path in (SOURCE / "texts").glob("*.json")}
PLURALS = re.compile(r"_(zero|one|two|few|many|other)$")
KEY = re.compile(r"""(?<![\w.])['"`]([a-z]\w*(?:\.[\w-]+)+)['"`]""")
PREFIX = re.compile(r"`((?:[a-z]\w*\.)+)\$\{")
HOLES = re.compile(r"\{\{(\w+)\}\}")
SAME = re.compile(r"^[\W\d_]*$")


def flat(texts: Any, before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in texts.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name}.")
        else:
            yield before + name, value


LANGUAGES = {code: dict(flat(texts)) for code, texts in TEXTS.items()}
EN = LANGUAGES["en"]
CODE = "\n".join(path.read_text("utf-8") for path in SOURCE.rglob("*.ts*") if path.name != "payloads.ts")


def test_languages_have_the_same_keys_and_holes() -> None:
    assert set(LANGUAGES) >= {"en", "zh"}
    for code, texts in LANGUAGES.items():
        assert set(texts) == set(EN), f"{code}: {sorted(set(texts) ^ set(EN))}"
        for key, text in texts.items():
            assert set(HOLES.findall(text)) == set(HOLES.findall(EN[key])), f"{code}.{key}"
            assert bool(text) == bool(EN[key]), f"{code}.{key} is empty"


def test_files_are_sorted() -> None:
    """So that two people who add texts seldom touch the same lines."""
    for code, texts in TEXTS.items():
        written = (SOURCE / "texts" / f"{code}.json").read_text("utf-8")
        assert written == json.dumps(texts, indent=2, ensure_ascii=False, sort_keys=True) + "\n", (
            f"{code}.json: sort it by `python -m tests.console.test_texts`"
        )


def test_no_text_is_unused_and_none_is_missing() -> None:
    asked = set(KEY.findall(CODE))
    prefixes = tuple(PREFIX.findall(CODE))
    unused = [key for key in EN if PLURALS.sub("", key) not in asked and not key.startswith(prefixes)]
    assert not unused, unused
    roots = {key.split(".")[0] for key in EN}
    known = {PLURALS.sub("", key) for key in EN}
    calls = set(re.findall(r"""\bt\(\s*['"]([\w.-]+)['"]""", CODE))
    missing = [key for key in calls if key not in known]
    assert not missing, missing
    assert calls, "the pattern finds nothing"
    assert roots


def test_nothing_is_said_but_by_texts() -> None:
    """No words between tags, but for names that are the same everywhere."""
    said = re.compile(r">\s*([A-Za-z][a-z]+(?: [a-z]+)+)[.!?]?\s*</")
    for path in SOURCE.rglob("*.tsx"):
        found = said.findall(path.read_text("utf-8"))
        assert not found, f"{path.name}: {found}"


if __name__ == "__main__":
    for code, texts in TEXTS.items():
        path = SOURCE / "texts" / f"{code}.json"
        path.write_text(json.dumps(texts, indent=2, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")
