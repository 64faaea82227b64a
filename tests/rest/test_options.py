"""Options: what is told, what is refused, what they do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidRequest
from core.options.table import DEFAULTS, is_secret, validate
from core.pricing.tables import PriceTables
from core.state.options import Options
from tests.rest.people import Person


def told(root: Person) -> dict[str, str]:
    """Options by name."""
    found = root.get("GET", "/api/option/")
    assert [set(item) for item in found] == [{"key", "value"}] * len(found)
    return {item["key"]: item["value"] for item in found}


def test_every_option_is_told_but_secrets(root: Person) -> None:
    found = told(root)
    assert set(found) - {"CompletionRatioMeta"} == {name for name in DEFAULTS if not is_secret(name)}
    assert json.loads(found["ModelRatio"])["gpt-4o"] == 1.25, "a table nobody saved is the built-in one"
    meta = json.loads(found["CompletionRatioMeta"])
    assert meta["gpt-4o"] == {"ratio": 4.0, "locked": False}
    assert meta["claude-opus-4-20250514"]["locked"] is True


@pytest.mark.parametrize(
    ("key", "value", "held"),
    [
        ("SystemName", "Mine", "Mine"), ("RetryTimes", 3, "3"), ("RetryTimes", 2.0, "2"), ("Price", 6.5, "6.5"),
        ("SelfUseModeEnabled", True, "true"), ("SelfUseModeEnabled", "false", "false"),
        ("ModelRatio", '{"gpt-4o": 2}', '{"gpt-4o": 2}'), ("AutomaticRetryStatusCodes", "429,500-503", "429,500-503"),
        ("Chats", '[{"x": "https://x"}]', '[{"x": "https://x"}]'), ("general_setting.quota_display_type", "CNY", "CNY"),
    ],
)  # fmt: skip
def test_setting(root: Person, key: str, value: Any, held: str) -> None:
    assert root.get("PUT", "/api/option/", {"key": key, "value": value}) is None
    assert told(root)[key] == held


def test_a_secret_is_never_returned(root: Person) -> None:
    root.get("PUT", "/api/option/", {"key": "GitHubClientSecret", "value": "hush-hush"})
    assert "GitHubClientSecret" not in told(root)
    assert "hush-hush" not in str(root.get("GET", "/api/option/"))


def test_a_switch_wants_what_it_needs(root: Person) -> None:
    reply = root.ask("PUT", "/api/option/", {"key": "discord.enabled", "value": True}).json()
    assert not reply["success"]
    assert "set discord.client_id first" in reply["message"]
    root.get("PUT", "/api/option/", {"key": "discord.client_id", "value": "123"})
    root.get("PUT", "/api/option/", {"key": "discord.enabled", "value": True})
    assert told(root)["discord.enabled"] == "true"


def test_two_names_of_one_table(root: Person) -> None:
    root.get("PUT", "/api/option/", {"key": "group_ratio_setting.group_ratio", "value": '{"default":1,"pro":2}'})
    assert told(root)["GroupRatio"] == '{"default":1,"pro":2}' == told(root)["group_ratio_setting.group_ratio"]
    root.get("PUT", "/api/option/", {"key": "GroupRatio", "value": DEFAULTS["GroupRatio"]})
    assert told(root)["group_ratio_setting.group_ratio"] == DEFAULTS["GroupRatio"]


def test_the_model_table_goes_back(root: Person) -> None:
    root.get("PUT", "/api/option/", {"key": "ModelRatio", "value": '{"mine": 2}'})
    root.get("PUT", "/api/option/", {"key": "CacheRatio", "value": '{"mine": 0.5}'})
    root.get("POST", "/api/option/rest_model_ratio")
    assert "gpt-4o" in json.loads(told(root)["ModelRatio"])
    assert json.loads(told(root)["CacheRatio"]) == {"mine": 0.5}, "and only that one"


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("NoSuchOption", "x", "no option NoSuchOption"), ("CompletionRatioMeta", "{}", "no option"),
        ("RegisterEnabled", "yes", "true or false"),
        ("RetryTimes", "-1", "whole number"), ("RetryTimes", "x", "whole number"), ("RetryTimes", 1.5, "whole number"),
        ("RetryTimes", str(1 << 60), "whole number"), ("Price", "0", "above 0"), ("Price", "nan", "above 0"),
        ("Price", "inf", "above 0"), ("Price", "x", "Price"), ("QuotaPerUnit", "0", "above 0"),
        ("ModelRatio", "[", "ModelRatio"), ("ModelRatio", "[]", "object"), ("ModelRatio", '{"m": -1}', "m needs"),
        ("ModelRatio", '{"m": "1"}', "m needs"), ("ModelRatio", '{"m": NaN}', "NaN"), ("ModelRatio", '{"m": 1e999}', "m needs"),
        ("GroupRatio", '{"default": -0.5}', "default"), ("GroupGroupRatio", '{"a": {"b": -1}}', "a.b"),
        ("GroupGroupRatio", '{"a": 1}', "object"), ("UserUsableGroups", '{"a": 1}', "text"),
        ("ModelRequestRateLimitGroup", '{"vip": [1]}', "vip"), ("ModelRequestRateLimitGroup", '{"vip": [0, 0]}', "vip"),
        ("AutoGroups", "{}", "array"), ("AutomaticRetryStatusCodes", "40-50", "range"),
        ("AutomaticRetryStatusCodes", "abc", "AutomaticRetryStatusCodes"), ("SystemName", "x" * ((1 << 20) + 1), "characters"),
        ("SystemName", "a\0b", "NUL"), ("SystemName", None, "value"), ("SystemName", ["x"], "value"), ("", "x", "key"),
        ("general_setting.quota_display_type", "BTC", "one of"), (5, "x", "key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(root: Person, key: Any, value: Any, named: str) -> None:
    before = told(root)
    reply = root.ask("PUT", "/api/option/", {"key": key, "value": value})
    assert reply.status in (200, 413)
    assert not reply.json()["success"]
    assert named in reply.json()["message"] or reply.status == 413
    assert told(root) == before


names = st.sampled_from(sorted(DEFAULTS)) | st.text(max_size=20)
values = st.text(max_size=60) | st.sampled_from(
    [
        "true",
        "false",
        "0",
        "1",
        "-1",
        "{}",
        "[]",
        "[[",
        '{"a":{}}',
        '{"a":{"b":1}}',
        '{"a":1}',
        '{"a":[1,2]}',
        "401-407",
        "1e400",
    ]
)


@given(rows=st.dictionaries(names, values, max_size=8))
def test_whatever_is_stored_a_snapshot_can_be_made(rows: dict[str, str]) -> None:
    """Rows of an older version, or written by hand, never stop a start; those that validate are in force."""
    options = Options.parse(rows)
    PriceTables.parse(options.raw)
    for name, value in rows.items():
        try:
            validate(name, value)
        except InvalidRequest:
            if name in DEFAULTS:
                assert options.raw[name] == DEFAULTS[name]
        else:
            assert options.raw[name] == value
