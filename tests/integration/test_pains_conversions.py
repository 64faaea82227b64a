"""Promises about conversions that need a whole gateway; the others: tests/vendors/test_pains_conversions.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.integration.house import House
from tests.servers import vendor as fake
from tests.servers.vendor import END, Asked, Vendor, event


def late(asked: Asked) -> None:
    """Tells its usage at the end alone, as OpenAI does."""
    asked.stream()
    asked.chunk(event("Hello") + END)
    asked.chunk(b"")


@pytest.fixture(scope="module")
def vendor(gateway: House) -> Iterator[Vendor]:
    with fake.vendor() as made:
        made.behaviours["pains-late"] = late
        listed = gateway.manage("GET", "/api/option/")
        ratios = json.loads(next((row["value"] for row in listed if row["key"] == "ModelRatio"), "{}"))
        gateway.option("ModelRatio", json.dumps({**ratios, "pains-late": 1}))
        gateway.add_channel(type=40, key="pains-late", base_url=made.url, models="pains-late")
        yield made


def test_message_start_tells_the_input_counted_and_message_delta_corrects_it(gateway: House, vendor: Vendor) -> None:
    """Not zero: agents show how full the context is from the first event on."""
    said: Any = [{"role": "user", "content": "The quick brown fox jumps over the lazy dog. " * 20}]
    with anthropic.Anthropic(api_key=gateway.add_key()[1], base_url=gateway.base, max_retries=0) as client:
        events = list(client.messages.create(model="pains-late", max_tokens=50, messages=said, stream=True))
    started = next(each for each in events if each.type == "message_start").message.usage
    assert 150 < started.input_tokens < 300, "counted, as the vendor has said nothing yet"
    ended: Any = next(each for each in events if each.type == "message_delta").usage
    assert (ended.input_tokens, ended.output_tokens) == (10, 5), "as the vendor told it in the end"
