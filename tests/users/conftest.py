"""A gateway whose vendors are the Sandbox behind an ear: what each heard is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.house import House, house, http
from tests.servers.vendor import Asked, Vendor, vendor

VENDORS = {
    # model -> the channel's type; the model's name is its vendor's key, too.
    "deepseek-r1": 40,
    "qwen3-max": 53,
    "gemini-3-pro": 24,
    "claude-haiku-4-5": 14,
}
_PASSED = ("content-type", "authorization", "x-api-key", "x-goog-api-key", "anthropic-version", "anthropic-beta")


@dataclass
class Studio:
    """The gateway, a key, and what the vendors heard."""

    house: House
    key: str
    ear: Vendor
    seen: dict[str, int] = field(default_factory=dict)

    def heard(self, model: str) -> list[Any]:
        """The bodies a vendor was sent since the last time, oldest first."""
        asked = [one.body for one in self.ear.asked if one.key == model]
        fresh, self.seen[model] = asked[self.seen.get(model, 0) :], len(asked)
        return fresh


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with house(tmp_path_factory.mktemp("studio")) as made, vendor() as ear:

        def passes_on(asked: Asked) -> None:
            """The Sandbox answers, and refuses what the vendor would refuse."""
            headers = {name: asked.headers[name] for name in _PASSED if name in asked.headers}
            reply = http("POST", made.sandbox + asked.path, asked.raw, headers)
            kind = reply.headers.get("content-type", "application/json")
            asked.whole(reply.body, kind, f"{reply.status} As it is")

        made.option("SelfUseModeEnabled", "true")
        for model, number in VENDORS.items():
            ear.behaviours[model] = passes_on
            made.add_channel(type=number, models=model, key=model, base_url=ear.url)
        yield Studio(made, made.add_key(unlimited_quota=True)[1], ear)
