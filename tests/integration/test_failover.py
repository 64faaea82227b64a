"""One request over channels of two forms: the first fails, the second answers, each asked in its own form."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from tests.integration.house import House, house

FORMS = {"openai": 1, "anthropic": 14, "gemini": 24}
"""Form -> the type of a channel that speaks it."""
ASKED = "Tell me of canals [[sandbox chunks=4]]"
TOLD = "The sandbox heard: Tell me of canals"
numbers = itertools.count()


@dataclass
class Asker:
    """A gateway and a key: the official SDKs' ways to put one question. Each gives the text and the request's id."""

    house: House
    key: str

    def openai(self, model: str, streamed: bool) -> tuple[str, str]:
        with openai.OpenAI(api_key=self.key, base_url=self.house.base + "/v1", max_retries=0) as client:
            raw = client.chat.completions.with_raw_response.create(
                model=model, messages=[{"role": "user", "content": ASKED}], stream=streamed
            )
            answer: Any = raw.parse()
            if not streamed:
                return answer.choices[0].message.content, raw.headers["x-request-id"]
            text = "".join(chunk.choices[0].delta.content or "" for chunk in answer)
            return text, raw.headers["x-request-id"]

    def anthropic(self, model: str, streamed: bool) -> tuple[str, str]:
        asked: Any = {"model": model, "max_tokens": 400, "messages": [{"role": "user", "content": ASKED}]}
        with anthropic.Anthropic(api_key=self.key, base_url=self.house.base, max_retries=0) as client:
            if not streamed:
                answer: Any = client.messages.create(**asked)
                return answer.content[0].text, answer._request_id
            with client.messages.stream(**asked) as stream:
                return "".join(stream.text_stream), str(stream.request_id)

    def gemini(self, model: str, streamed: bool) -> tuple[str, str]:
        options = types.HttpOptions(base_url=self.house.base)
        with genai.Client(api_key=self.key, http_options=options) as client:
            if streamed:
                answers: list[Any] = list(client.models.generate_content_stream(model=model, contents=ASKED))
            else:
                answers = [client.models.generate_content(model=model, contents=ASKED)]
            headers = {name.lower(): value for name, value in answers[0].sdk_http_response.headers.items()}
            return "".join(answer.text or "" for answer in answers), headers["x-request-id"]


@pytest.fixture(scope="module")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    with house(tmp_path_factory.mktemp("failover")) as made:
        made.option("SelfUseModeEnabled", "true")
        made.option("RetryTimes", "1")
        yield Asker(made, made.add_key()[1])


def pair(made: House, first: str, second: str, status: int) -> tuple[str, list[int]]:
    """A model that a failing channel of one form serves before one of another form; new each time: failures cool."""
    model = f"model-{next(numbers)}"
    broken = made.add_channel(
        type=FORMS[first], models=model, priority=9, header_override=f'{{"x-sandbox":"status={status}"}}'
    )
    return model, [broken, made.add_channel(type=FORMS[second], models=model)]


@pytest.mark.parametrize("status", [500, 429])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("client", "first", "second", "native"),
    [
        (Asker.openai, "openai", "anthropic", [True, False]),
        (Asker.anthropic, "openai", "anthropic", [False, True]),
        (Asker.gemini, "openai", "anthropic", [False, False]),
        (Asker.gemini, "gemini", "anthropic", [True, False]),
    ],
)
def test_another_form_answers_within_the_request(
    asker: Asker, client: Callable[[Asker, str, bool], tuple[str, str]], first: str, second: str, native: list[bool],
    streamed: bool, status: int,
) -> None:  # fmt: skip
    model, channels = pair(asker.house, first, second, status)
    text, request_id = client(asker, model, streamed)
    assert text == TOLD
    line = asker.house.line(request_id)
    assert line["tried"] == channels
    tries = line["receipt"]["attempts"]
    assert [each["channel"] for each in tries] == channels
    assert [each["channel_type"] for each in tries] == [FORMS[first], FORMS[second]]
    assert [each["status"] for each in tries] == [status, 200]
    assert [each["native"] for each in tries] == native
    assert [bool(each["reason"]) for each in tries] == [True, False]
    assert line["quota"] == int(line["receipt"]["quota"]) > 0
