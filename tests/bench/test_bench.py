"""What the bench says of an answer, a conversion and a ratio must be true."""

from __future__ import annotations

from typing import Any

import pytest

from bench import answers, conversions, figures, reading, table
from bench.answers import Answers

FORMS = {"openai": answers.OPENAI, "anthropic": answers.ANTHROPIC}


def body(response: bytes) -> bytes:
    """Without the head."""
    return response.partition(b"\r\n\r\n")[2]


def stream(form: Answers) -> bytes:
    """Without head and framing."""
    return body(form.burst).split(b"\r\n", 1)[1].removesuffix(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("form", FORMS)
def test_whole_answers_pass(form: str) -> None:
    reading.check(form, False, body(FORMS[form].small), answers.SMALL_TEXT)
    reading.check(form, False, body(FORMS[form].large), answers.LARGE_TEXT)
    reading.check(form, True, stream(FORMS[form]), answers.STREAM_TEXT)
    reading.check("embedding", False, body(answers.EMBEDDING), "")


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_cut_anywhere_is_found(form: str) -> None:
    whole = stream(FORMS[form])
    ends = [at + 2 for at in range(len(whole)) if whole.startswith(b"\n\n", at)]
    assert len(ends) > answers.EVENTS
    for end in [0, *ends[:-1], len(whole) // 2]:
        with pytest.raises(reading.Incomplete):
            reading.check(form, True, whole[:end], answers.STREAM_TEXT)


@pytest.mark.parametrize("form", FORMS)
def test_an_event_less_or_more_is_found(form: str) -> None:
    blocks = stream(FORMS[form]).split(b"\n\n")
    middle = len(blocks) // 2
    for changed in (blocks[:middle] + blocks[middle + 1 :], [*blocks[:middle], blocks[middle], *blocks[middle:]]):
        with pytest.raises(reading.Incomplete):
            reading.check(form, True, b"\n\n".join(changed), answers.STREAM_TEXT)


@pytest.mark.parametrize("wrong", [b"", b"{}", b"[]", b'{"error":{"message":"no"}}', b"<html>"])
@pytest.mark.parametrize("form", [*FORMS, "embedding"])
def test_what_is_no_answer_is_found(form: str, wrong: bytes) -> None:
    for streamed in (False, True):
        with pytest.raises(reading.Incomplete):
            reading.check(form, streamed, wrong, answers.STREAM_TEXT)


@pytest.mark.parametrize("name", conversions.CONVERSIONS)
def test_conversions_that_are_measured_are_right(name: str) -> None:
    figure = conversions.measure(name, seconds=0.01)
    assert figure["cpu_us_per_request"] > 0


def row(requests: float, cpu: float) -> dict[str, float]:
    return {"requests_per_s": requests, "cpu_us_per_request": cpu, "p50_ms": 1.0, "p99_ms": 2.0, "rss_mb": 90.0}


def test_ratios_are_of_what_was_measured() -> None:
    results = {
        "limit_relay": row(1000, 100),
        "relay_1k": row(500, 250),
        "translate_openai_gemini": row(250, 500),
        "litellm.relay_1k": row(10, 20_000),
        "litellm.stream_burst": row(1, 1),
    }
    found = {each.what: each for each in figures.ratios(results)}
    assert set(found) == {
        "relay_1k / limit_relay",
        "translate_openai_gemini / relay_1k",
        "relay_1k / litellm.relay_1k",
    }
    assert (found["relay_1k / limit_relay"].requests, found["relay_1k / limit_relay"].cpu) == (0.5, 0.4)
    assert found["relay_1k / limit_relay"].met == "reached"
    assert found["translate_openai_gemini / relay_1k"].met == "missed"
    assert found["relay_1k / litellm.relay_1k"].requests == 50
    assert figures.Ratio("", requests=0.7, cpu=0.3, aim=0.4).met == "unclear"


def test_medians() -> None:
    assert figures.medians([row(1, 30), row(9, 10), row(2, 20)]) == row(2, 20)


def test_the_page_tells_all_of_a_run() -> None:
    told: dict[str, Any] = {
        "date": "2026-01-01", "runs": 3, "seconds": 5, "processor": "one", "cores": 2, "python": "3.11",
        "load_before": 0.1, "load_after": 1.0, "peers": {"litellm": "1.2"}, "cannot": ["portkey.x"],
        "failed": {"embed": "Incomplete: short"},
    }  # fmt: skip
    page = table.page({"relay_1k": row(500, 250), "limit_relay": row(1000, 100)}, told)
    for piece in ("3 runs of 5 s", "| relay_1k | 500 | 250 |", "| relay_1k / limit_relay | 0.50 | 0.40 | 0.4 | reached |",
                  "litellm 1.2", "portkey.x", "embed: `Incomplete: short`"):  # fmt: skip
        assert piece in page


def test_the_page_has_its_marks() -> None:
    text = table.PAGE.read_text()
    assert text.index(table.BEGIN) < text.index(table.END)
