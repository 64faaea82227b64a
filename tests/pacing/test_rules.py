"""Rules and demands: whom a limit is for, what is counted together; headers; periods of budgets."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from core.pacing.budgets import period_of
from core.pacing.pacer import PaceRefused, demands_of, pace
from core.pacing.rules import rules
from core.pacing.table import Table
from core.state.options import Options
from core.state.types import Account, Key, KeyLimits, Principal
from front.pace import limit_headers, limits_from

ACCOUNT = Account(1, "ada", 1, 1, "vip", 1)
KEY = Key(5, 1, "k", 1, -1, 0, None, (), "", False)


def options(text: str) -> Options:
    return Options.parse({"isthmus.rate_limits": text})


def test_without_limits_nothing_is_asked() -> None:
    assert demands_of(Principal(ACCOUNT, KEY), "vip", "m", options("[]"), 10) is None
    only_others = options('[{"by": "account", "group": "default", "requests_per_minute": 1}]')
    assert demands_of(Principal(ACCOUNT, KEY), "vip", "m", only_others, 10) is None


def test_what_counts_together() -> None:
    limited = replace(KEY, limits=KeyLimits(60, 1000, 2, 0, ""))
    told = options(
        '[{"by": "account", "requests_per_minute": 5}, {"by": "group", "group": "vip", "tokens_per_minute": 7},'
        ' {"by": "model", "model": "gpt-4*", "concurrency": 3}, {"by": "account_model", "model": "o1", "requests_per_minute": 1}]'
    )

    def subjects(principal: Principal, group: str = "vip", model: str = "gpt-4o") -> list[int]:
        found = demands_of(principal, group, model, told, 10)
        assert found is not None
        return [each.subject for each in (*found.meters, *found.places)]

    mine = Principal(ACCOUNT, limited)
    found = demands_of(mine, "vip", "gpt-4o", told, 10)
    assert found is not None
    assert [(each.kind, each.limit, each.cost) for each in found.meters] == [
        ("requests", 60, 1), ("tokens", 1000, 10), ("requests", 5, 1), ("tokens", 7, 10)
    ]  # fmt: skip
    assert [place.limit for place in found.places] == [2, 3]
    another = Principal(replace(ACCOUNT, id=2), None)
    shared = set(subjects(mine)) & set(subjects(another))
    assert len(shared) == 2, "the group's tokens and the model's places"
    assert len(set(subjects(mine)) & set(subjects(mine, model="gpt-4o-mini"))) == 5
    assert not set(subjects(another, model="o1")) & set(subjects(mine, model="o1")) - set(subjects(another))
    assert len(subjects(Principal(ACCOUNT, None), "default", "o1")) == 2


@pytest.mark.parametrize(
    ("text", "named"),
    [("{}", "list"), ("[1]", "[0]"), ('[{"by": "x"}]', "[0].by"), ('[{"by": "model", "rpm": 1}]', "[0].rpm"),
     ('[{"by": "model"}, {"by": "group", "concurrency": -1}]', "[1].concurrency"), ("[" + '{"by":"model"},' * 100 + '{"by":"model"}]', "100"),
     ('[{"by": "model", "tokens_per_minute": true}]', "tokens_per_minute"), ('[{"by": "model", "model": 1}]', "[0].model"), ("[", "")],
)  # fmt: skip
def test_rules_that_are_none(text: str, named: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        rules(text)
    assert named in str(refused.value)
    assert options(text).rate_limits == ()


def test_headers_are_the_dialects_own() -> None:
    limits = limits_from("requests,60,59,1000;tokens,1000,990,61500;broken;x,y,1,2")
    assert len(limits) == 2
    assert limit_headers("openai.chat", limits) == {
        "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "990", "x-ratelimit-reset-tokens": "1m1.5s",
    }  # fmt: skip
    told = limit_headers("anthropic.messages", limits)
    assert (told["anthropic-ratelimit-requests-limit"], told["anthropic-ratelimit-tokens-remaining"]) == ("60", "990")
    assert datetime.fromisoformat(told["anthropic-ratelimit-requests-reset"]).tzinfo is not None
    assert limit_headers("", [SimpleNamespace(kind="requests", limit=1, remaining=0, reset_ms=20)])[
        "x-ratelimit-reset-requests"
    ] == "20ms"  # fmt: skip


def test_periods() -> None:
    moment = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert period_of("day", moment) == ("day 2026-12-31", datetime(2027, 1, 1, tzinfo=UTC))
    assert period_of("week", moment) == ("week 2026-W53", datetime(2027, 1, 4, tzinfo=UTC))
    assert period_of("month", moment) == ("month 2026-12", datetime(2027, 1, 1, tzinfo=UTC))
    shanghai = moment.astimezone(ZoneInfo("Asia/Shanghai"))
    assert period_of("month", shanghai)[0] == "month 2027-01"


def test_model_request_limits_count_calls_and_successes(tmp_path: Path) -> None:
    """ModelRequestRateLimit*: all requests, and those that were answered, by account; other limits for some groups."""
    told = Options.parse(
        {"ModelRequestRateLimitEnabled": "true", "ModelRequestRateLimitCount": "3", "ModelRequestRateLimitSuccessCount": "2",
         "ModelRequestRateLimitDurationMinutes": "60", "ModelRequestRateLimitGroup": '{"vip": [0, 5]}'}
    )  # fmt: skip
    table = Table(tmp_path / "pacing", 0)

    def ask(account: int, group: str, tokens: int | None) -> bool:
        demands = demands_of(Principal(replace(ACCOUNT, id=account), None), group, "m", told, 1)
        assert demands is not None

        async def work() -> None:
            made = await pace(table, demands, "r")
            assert made.shown() == [], "windows of other lengths are not told as minutes"
            made.end(tokens)

        try:
            asyncio.run(work())
        except PaceRefused:
            return False
        return True

    # Failures count among all, and not among successes.
    assert [ask(1, "default", None) for _ in range(4)] == [True, True, True, False]
    assert [ask(2, "default", 7) for _ in range(3)] == [True, True, False]
    assert [ask(3, "vip", 0) for _ in range(6)] == [True] * 5 + [False]
    assert all(ask(4, "vip", None) for _ in range(20))
    assert demands_of(Principal(ACCOUNT, None), "vip", "m", Options.parse({}), 1) is None
    asyncio.run(table.close())
