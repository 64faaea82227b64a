"""The table of options: complete, true to the code, and its page up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import InvalidRequest
from core.options.table import ALIASES, DEFAULTS, FAMILIES, GROUPS, ROWS, row, validate, written
from core.state.options import Options
from tools.options_page import PAGE, page

HOME = Path(__file__).parent.parent.parent
SOURCES = "\n".join(
    path.read_text()
    for part in ("core", "front")
    for path in sorted((HOME / part).rglob("*.py"))
    if (HOME / "core" / "options") not in path.parents and (HOME / "front" / "sandbox") not in path.parents
)
ALL = [each for rows in GROUPS.values() for each in rows]


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.name)
def test_marks_are_true(each: object) -> None:
    """used says what the code does: somewhere outside the table the name stands as a literal, or it does not."""
    found = row(each.name)  # type: ignore[attr-defined]
    assert found is not None
    read = (
        f'"{found.name}"' in SOURCES
        or found.name in ALIASES
        or found.name == "global.chat_completions_to_responses_policy"
    )
    assert read == found.used, f"{found.name}: set used={read} in core/options, then python -m tools.options_page"


@pytest.mark.parametrize("name", sorted(ROWS))
def test_defaults_fit(name: str) -> None:
    validate(name, DEFAULTS[name])


def test_every_name_once() -> None:
    names = [each.name for each in ALL]
    assert len(names) == len(set(names)) == len(ROWS) + len(FAMILIES)
    assert all(needed in ROWS for each in ALL for needed in each.needs)
    assert not any(each.used and each.why_not for each in ALL)
    assert all(each.help for each in ALL)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m tools.options_page"


def test_switches_want_what_they_need() -> None:
    with pytest.raises(InvalidRequest, match="set GitHubClientId first"):
        written({"GitHubOAuthEnabled": "true"}, DEFAULTS)
    both = {"GitHubOAuthEnabled": "true", "GitHubClientId": "x"}
    assert written(both, DEFAULTS) == both
    assert written({"GitHubOAuthEnabled": "true"}, {**DEFAULTS, "GitHubClientId": "x"}) == {
        "GitHubOAuthEnabled": "true"
    }
    assert written({"GitHubOAuthEnabled": "false"}, DEFAULTS) == {"GitHubOAuthEnabled": "false"}
    with pytest.raises(InvalidRequest, match="TurnstileSecretKey"):
        written({"TurnstileCheckEnabled": "true", "TurnstileSiteKey": "x"}, DEFAULTS)
    with pytest.raises(InvalidRequest, match="EmailDomainWhitelist"):
        written({"EmailDomainRestrictionEnabled": "true", "EmailDomainWhitelist": ""}, DEFAULTS)


def test_other_names_and_what_follows() -> None:
    assert written({"group_ratio_setting.group_ratio": '{"a":1}'}, DEFAULTS) == {"GroupRatio": '{"a":1}'}
    shown = written({"DisplayInCurrencyEnabled": "false"}, DEFAULTS)
    assert shown == {"DisplayInCurrencyEnabled": "false", "general_setting.quota_display_type": "TOKENS"}
    old = Options.parse({"group_ratio_setting.group_ratio": '{"a":2}'})
    assert old.raw["GroupRatio"] == '{"a":2}' == old.raw["group_ratio_setting.group_ratio"]
    assert old.group_names == {"a"}


def test_a_route_of_its_own() -> None:
    with pytest.raises(InvalidRequest, match="payment_compliance"):
        written({"payment_setting.compliance_confirmed": "true"}, DEFAULTS)


def test_families() -> None:
    found = row("WaffoPancakeMerchantID")
    assert found is not None
    assert found.name == "WaffoPancake*"
    validate("WaffoApiKey", "x")
    with pytest.raises(InvalidRequest, match="no option"):
        validate("Waffo" + "x" * 200, "x")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("fetch_setting.ip_list", '["10.0.0.0/33"]', "no address or network"),
        ("fetch_setting.allowed_ports", '["80-70"]', "no port"),
        ("fetch_setting.allowed_ports", "[70000]", "no port"),
        ("claude.default_max_tokens", '{"default":0}', "1 or more"),
        ("claude.model_headers_settings", '{"m":{"h":"v"}}', "m.h needs an array"),
        ("claude.thinking_adapter_budget_tokens_percentage", "1.5", "at most 1"),
        ("claude.thinking_adapter_budget_tokens_percentage", "0", "above 0"),
        ("performance_setting.monitor_cpu_threshold", "101", "at most 100"),
        ("payment_setting.amount_discount", '{"100":1.2}', "at most 1"),
        ("payment_setting.amount_options", "[0]", "1 or more"),
        ("SMTPPort", "0", "1 to 65535"),
        ("oidc.well_known", "ftp://x", "http or https"),
        ("passkey.user_verification", "maybe", "one of"),
        ("console_setting.faq", '{"a":1}', "array"),
        ("LinuxDOMinimumTrustLevel", "5", "0 to 4"),
        ("SelfUseModeEnabled", "true" * 3, "more than 5 characters"),
        ("HeaderNavModules", "{", "HeaderNavModules"),
        ("global.thinking_model_blacklist", "[1]", "needs a text"),
    ],
)
def test_what_is_wrong_is_said(name: str, value: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        validate(name, value)
    assert caught.value.message.startswith(name)
