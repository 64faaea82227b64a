"""Limits by address: the window, its fixed memory, and a gateway whose workers share the counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from front.limits import BUCKETS, SIZE, WAYS, Limits, shared
from front.settings import FrontSettings
from tests.integration.house import house, http


def limits(descriptor: int = -1, **settings: object) -> Limits:
    return Limits(FrontSettings(**settings), descriptor)  # type: ignore[arg-type]


def test_a_window_slides() -> None:
    made = limits(api_limit=10, api_limit_seconds=100.0)
    assert [made.admit("api", "a", 1000.0) for _ in range(10)] == [0.0] * 10
    assert made.admit("api", "a", 1001.0) > 0
    assert made.admit("api", "b", 1001.0) == 0, "another address"
    assert made.admit("web", "a", 1001.0) == 0, "another rule"
    assert made.admit("api", "a", 1110.0) == 0, "a tenth of the old window is over"
    assert made.admit("api", "a", 1110.0) > 0
    assert made.admit("api", "a", 1300.0) == 0, "all of it"


def test_rules_can_be_switched_off() -> None:
    for settings in ({"api_limit_enabled": False}, {"api_limit": 0}):
        made = limits(**{"api_limit": 1, **settings})
        assert not any(made.admit("api", "a", 5.0) for _ in range(50))


def test_memory_is_fixed() -> None:
    """However many addresses come, the table is as large as before, and the newest are counted."""
    made = limits(critical_limit=2)
    for number in range(3 * WAYS * BUCKETS):
        assert made.admit("critical", str(number), 1.0) == 0
    assert len(made._table) == SIZE
    assert made.admit("critical", "late", 2.0) == 0
    assert made.admit("critical", "late", 2.0) == 0
    assert made.admit("critical", "late", 2.0) > 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 400)), max_size=120), st.integers(1, 9))
def test_never_more_than_twice_in_a_window(events: list[tuple[str, float]], most: int) -> None:
    """A sliding counter is an estimate: in no aligned window are more than `most` admitted, by client."""
    made = limits(api_limit=most, api_limit_seconds=60.0)
    admitted: dict[tuple[str, int], int] = {}
    for client, now in sorted(events, key=lambda event: event[1]):
        if made.admit("api", client, now) == 0:
            admitted[client, int(now // 60)] = admitted.get((client, int(now // 60)), 0) + 1
    assert all(count <= most for count in admitted.values())


def test_workers_share_their_counts() -> None:
    descriptor = shared()
    try:
        first, second = (limits(descriptor, api_limit=4) for _ in range(2))
        assert [worker.admit("api", "a", 9.0) for worker in (first, second, first, second)] == [0.0] * 4
        assert first.admit("api", "a", 9.0) > 0
        assert second.admit("api", "a", 9.0) > 0
        first.close()
        second.close()
    finally:
        os.close(descriptor)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> object:
    environ = {
        "GLOBAL_API_RATE_LIMIT_ENABLE": "true", "GLOBAL_API_RATE_LIMIT": "40", "CRITICAL_RATE_LIMIT_ENABLE": "true",
        "CRITICAL_RATE_LIMIT": "6", "GLOBAL_WEB_RATE_LIMIT_ENABLE": "true", "GLOBAL_WEB_RATE_LIMIT": "5",
        "ISTHMUS_TRUSTED_PROXIES": "1",
    }  # fmt: skip
    data: Path = tmp_path_factory.mktemp("limits")
    with house(data, workers=2, environ=environ) as made:
        yield made.base


def statuses(base: str, count: int, method: str, path: str, address: str) -> list[int]:
    """What as many requests of an address are answered with."""
    found = []
    for _ in range(count):
        reply = http(method, base + path, {} if method == "POST" else None, {"X-Forwarded-For": address})
        found.append(reply.status)
        if reply.status == 429:
            assert reply.body == b""
            assert int(reply.headers["retry-after"]) > 0
            assert reply.headers["x-request-id"]
    return found


def test_two_workers_hold_one_limit(base: str) -> None:
    found = statuses(base, 9, "POST", "/api/user/login", "10.0.0.1")
    assert found == [200] * 6 + [429] * 3
    assert statuses(base, 2, "POST", "/api/user/login", "10.0.0.2") == [200, 200]
    assert statuses(base, 1, "GET", "/api/status", "10.0.0.1") == [200], "what is not critical goes on"
    assert statuses(base, 44, "GET", "/api/status", "10.0.0.3") == [200] * 40 + [429] * 4
    assert statuses(base, 7, "GET", "/no/such/page", "10.0.0.4") == [404] * 5 + [429] * 2
    assert statuses(base, 3, "GET", "/v1/models", "10.0.0.3") == [401] * 3, "the relay has limits of its own"
