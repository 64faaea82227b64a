"""Channels that are disabled by what their vendor answers, and enabled again by a test that passes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.integration.house import House, http

MODEL = "gpt-4-0613"
"""Priced, and served by the channels of this file alone."""
OPTIONS = ("AutomaticDisableChannelEnabled", "AutomaticEnableChannelEnabled")


@pytest.fixture
def automatic(gateway: House) -> Iterator[House]:
    for name in OPTIONS:
        gateway.manage("PUT", "/api/option/", {"key": name, "value": "true"})
    time.sleep(1)
    yield gateway
    for name in OPTIONS:
        gateway.manage("PUT", "/api/option/", {"key": name, "value": "false"})


def status(gateway: House, channel: int, wanted: int) -> None:
    """Waits for a channel's state."""
    deadline = time.monotonic() + 20
    while (found := gateway.manage("GET", f"/api/channel/{channel}")["status"]) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_a_refused_key_disables_its_channel_and_a_test_enables_it(automatic: House, key: str) -> None:
    channel = automatic.add_channel(models=MODEL)
    body = {"model": MODEL, "messages": [{"role": "user", "content": "[[sandbox status=401]] hi"}]}
    headers = {"Authorization": f"Bearer {key}"}
    assert http("POST", automatic.base + "/v1/chat/completions", body, headers).status == 401
    status(automatic, channel, 3)
    told = automatic.manage("GET", f"/api/channel/{channel}")
    assert "status_reason" in told["other_info"]
    reply = http(
        "GET",
        f"{automatic.base}/api/channel/test/{channel}",
        headers={"Authorization": automatic.access_token, "New-Api-User": str(automatic.root_id)},
    )
    assert reply.json()["success"], reply.body
    status(automatic, channel, 1)


def test_a_channel_that_may_not_be_disabled_stays(automatic: House, key: str) -> None:
    channel = automatic.add_channel(models="gpt-4-32k", auto_ban=0)
    body = {"model": "gpt-4-32k", "messages": [{"role": "user", "content": "[[sandbox status=401]] hi"}]}
    headers = {"Authorization": f"Bearer {key}"}
    for _ in range(3):
        assert http("POST", automatic.base + "/v1/chat/completions", body, headers).status == 401
    status(automatic, channel, 1)
