"""Options: what administrators set, with New API's names and defaults, typed for the relay."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import InvalidRequest
from core.state import responses_policy
from core.state.responses_policy import ResponsesPolicy

JSON_MAPS = frozenset(
    {
        "ModelRatio", "CompletionRatio", "CacheRatio", "CreateCacheRatio", "ImageRatio", "AudioRatio",
        "AudioCompletionRatio", "ModelPrice", "GroupRatio", "GroupGroupRatio", "UserUsableGroups", "TopupGroupRatio",
        "ModelRequestRateLimitGroup", "gemini.safety_settings", "gemini.version_settings",
        "tool_price_setting.prices", "group_ratio_setting.group_special_usable_group",
    }
)  # fmt: skip
"""Options whose value is a JSON object."""

DEFAULTS: Mapping[str, str] = {
    "PasswordLoginEnabled": "true", "PasswordRegisterEnabled": "true", "RegisterEnabled": "true",
    "EmailVerificationEnabled": "false", "SystemName": "Isthmus", "Logo": "", "Footer": "", "Notice": "", "About": "",
    "HomePageContent": "", "ServerAddress": "", "TopUpLink": "", "ChatLink": "", "ChatLink2": "",
    "DemoSiteEnabled": "false", "SelfUseModeEnabled": "false", "DefaultCollapseSidebar": "false",
    "HeaderNavModules": "", "SidebarModulesAdmin": "", "general_setting.docs_link": "", "Chats": "[]",
    "legal.user_agreement": "", "legal.privacy_policy": "", "general_setting.quota_display_type": "USD",
    "general_setting.custom_currency_symbol": "¤", "general_setting.custom_currency_exchange_rate": "1",
    "DataExportDefaultTime": "hour",
    "QuotaForNewUser": "0", "QuotaForInviter": "0", "QuotaForInvitee": "0", "QuotaRemindThreshold": "1000",
    "PreConsumedQuota": "500", "QuotaPerUnit": "500000", "DisplayInCurrencyEnabled": "true",
    "DisplayTokenStatEnabled": "true", "Price": "7.3", "USDExchangeRate": "7.3", "MinTopUp": "1",
    "GroupRatio": '{"default":1,"vip":1,"svip":1}', "GroupGroupRatio": "{}",
    "UserUsableGroups": '{"default":"Default group","vip":"VIP group"}', "AutoGroups": '["default"]',
    "DefaultUseAutoGroup": "false", "ExposeRatioEnabled": "false",
    "group_ratio_setting.group_special_usable_group": "{}", "token_setting.max_user_tokens": "1000",
    "ModelRatio": "", "CompletionRatio": "", "CacheRatio": "", "CreateCacheRatio": "", "ImageRatio": "",
    "AudioRatio": "", "AudioCompletionRatio": "", "ModelPrice": "", "tool_price_setting.prices": "",
    "RetryTimes": "0", "AutomaticDisableChannelEnabled": "false", "AutomaticEnableChannelEnabled": "false",
    "ChannelDisableThreshold": "5", "AutomaticDisableStatusCodes": "401",
    "AutomaticDisableKeywords": (
        "Your credit balance is too low\nThis organization has been disabled.\nYou exceeded your current quota\n"
        "Permission denied\nThe security token included in the request is invalid\nOperation not allowed\n"
        "Your account is not authorized"
    ),
    "AutomaticRetryStatusCodes": "100-199,300-399,401-407,409-499,500-503,505-523,525-599",
    "ModelRequestRateLimitEnabled": "false", "ModelRequestRateLimitCount": "0",
    "ModelRequestRateLimitSuccessCount": "1000", "ModelRequestRateLimitDurationMinutes": "1",
    "ModelRequestRateLimitGroup": "{}", "CheckSensitiveEnabled": "true", "CheckSensitiveOnPromptEnabled": "true",
    "SensitiveWords": "test_sensitive", "LogConsumeEnabled": "true", "DataExportEnabled": "true",
    "gemini.safety_settings": '{"default":"OFF"}',
    "gemini.version_settings": '{"default":"v1beta","gemini-1.0-pro":"v1"}',
    "gemini.thinking_adapter_enabled": "true", "gemini.function_call_thought_signature_enabled": "true",
    responses_policy.NAME: responses_policy.DEFAULT,
    "quota_setting.enable_free_model_pre_consume": "true", "isthmus.prefer_same_dialect": "false",
}  # fmt: skip
"""Every option this version reads or shows, with its default as text; price maps: empty means the built-in table."""

JSON_MOST = 4 << 20
TEXT_MOST = 1 << 20
NUMBER_MOST = 1 << 53
"""What JSON numbers hold exactly."""
RATIO_MOST = 1_000_000_000
JSON_LISTS = frozenset({"AutoGroups", "Chats"})
NESTED = frozenset({"GroupGroupRatio", "group_ratio_setting.group_special_usable_group"})
"""Maps of maps."""
POSITIVE = frozenset(
    {"Price", "USDExchangeRate", "QuotaPerUnit", "general_setting.custom_currency_exchange_rate", "MinTopUp"}
)
CHOICES: Mapping[str, tuple[str, ...]] = {
    "general_setting.quota_display_type": ("USD", "CNY", "TOKENS", "CUSTOM"),
    "DataExportDefaultTime": ("hour", "day", "week"),
}

PUBLIC = frozenset(
    {
        "SystemName", "Logo", "Footer", "Notice", "About", "HomePageContent", "ServerAddress", "TopUpLink",
        "ChatLink", "ChatLink2", "DemoSiteEnabled", "SelfUseModeEnabled", "DefaultCollapseSidebar",
        "HeaderNavModules", "SidebarModulesAdmin", "general_setting.docs_link", "QuotaPerUnit", "Price",
        "USDExchangeRate", "DisplayInCurrencyEnabled", "PasswordLoginEnabled", "PasswordRegisterEnabled",
        "RegisterEnabled", "EmailVerificationEnabled", "DefaultUseAutoGroup", "Chats", "legal.user_agreement",
        "legal.privacy_policy", "general_setting.quota_display_type", "general_setting.custom_currency_symbol",
        "general_setting.custom_currency_exchange_rate", "DataExportEnabled", "DataExportDefaultTime", "MinTopUp",
    }
)  # fmt: skip
"""Options that anyone may read."""

SECRET_ENDINGS = ("Token", "Secret", "Key", "secret", "api_key")
TRUE, FALSE = "true", "false"


def is_secret(name: str) -> bool:
    """Whether an option is never returned (New API's rule, by the end of its name)."""
    return name.endswith(SECRET_ENDINGS)


def status_set(text: str) -> frozenset[int]:
    """Status codes of "401-407,429". Raises ValueError."""
    found: set[int] = set()
    for piece in filter(None, (part.strip() for part in text.split(","))):
        first, _, last = piece.partition("-")
        low, high = int(first), int(last or first)
        if not 100 <= low <= high <= 599:
            raise ValueError(f"{piece} is no range of status codes")
        found.update(range(low, high + 1))
    return frozenset(found)


def validate(name: str, value: str) -> None:
    """Raises InvalidRequest where a value does not fit its option; unknown options are refused."""
    if name not in DEFAULTS:
        raise InvalidRequest(f"There is no option {name}.", param="key")
    try:
        _check(name, DEFAULTS[name], value)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"{name}: {error}", param="value") from error


def _check(name: str, default: str, value: str) -> None:
    """Raises ValueError with what is wrong."""
    if len(value) > (JSON_MOST if name in JSON_MAPS else TEXT_MOST):
        raise ValueError(f"more than {JSON_MOST if name in JSON_MAPS else TEXT_MOST} characters")
    if default in (TRUE, FALSE):
        if value not in (TRUE, FALSE):
            raise ValueError("true or false is wanted")
    elif name in JSON_MAPS:
        _check_map(name, value)
    elif name == responses_policy.NAME:
        ResponsesPolicy.parse(value)
    elif name in JSON_LISTS:
        if not isinstance(_json(value or "[]"), list):
            raise ValueError("a JSON array is wanted")
    elif name in CHOICES:
        if value not in CHOICES[name]:
            raise ValueError(f"one of {', '.join(CHOICES[name])} is wanted")
    elif name.endswith("StatusCodes"):
        status_set(value)
    elif name in POSITIVE:
        if not (number := float(value)) > 0 or math.isinf(number):
            raise ValueError("a number above 0 is wanted")
    elif default.isdecimal() and not (value.isdecimal() and int(value) <= NUMBER_MOST):
        raise ValueError(f"a whole number from 0 to {NUMBER_MOST} is wanted")


def _json(value: str) -> Any:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(value, parse_constant=refuse)


def _check_map(name: str, value: str) -> None:
    """The JSON object of a map. Raises ValueError."""
    parsed = _json(value or "{}")
    if not isinstance(parsed, dict):
        raise ValueError("a JSON object is wanted")
    for entry, held in parsed.items():
        if name in NESTED:
            if not isinstance(held, dict):
                raise ValueError(f"{entry} needs an object")
            if name == "GroupGroupRatio":
                for group, ratio in held.items():
                    _ratio(f"{entry}.{group}", ratio)
        elif name == "ModelRequestRateLimitGroup":
            pair = held if isinstance(held, list) and len(held) == 2 else []
            if not pair or any(type(count) is not int for count in pair) or pair[0] < 0 or pair[1] < 1:
                raise ValueError(f"{entry} needs [requests of 0 or more, successes of 1 or more]")
        elif name.endswith("Ratio") or name in ("ModelPrice", "tool_price_setting.prices"):
            _ratio(entry, held)
        elif not isinstance(held, str):
            raise ValueError(f"{entry} needs a text")


def _ratio(entry: str, number: Any) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= RATIO_MOST:
        raise ValueError(f"{entry} needs a number from 0 to {RATIO_MOST}")


@dataclass(frozen=True, slots=True)
class Options:
    """Options as requests read them. raw holds every option's text, defaults filled in."""

    raw: Mapping[str, str]
    retry_times: int
    retry_statuses: frozenset[int]
    automatic_disable_channel: bool
    automatic_enable_channel: bool
    disable_statuses: frozenset[int]
    disable_keywords: tuple[str, ...]
    pre_consumed_quota: int
    free_model_pre_consume: bool
    self_use_mode: bool
    usable_groups: Mapping[str, str]
    special_usable_groups: Mapping[str, Mapping[str, str]]
    group_names: frozenset[str]
    auto_groups: tuple[str, ...]
    prompt_words: tuple[str, ...]
    rate_limit_enabled: bool
    rate_limit_count: int
    rate_limit_success: int
    rate_limit_minutes: int
    rate_limit_groups: Mapping[str, tuple[int, int]]
    prefer_same_dialect: bool
    responses_policy: ResponsesPolicy
    max_user_tokens: int
    quota_for_new_user: int
    problems: tuple[str, ...] = ()
    _usable: dict[str, frozenset[str]] = field(default_factory=dict, compare=False, repr=False)
    """What usable() found out; groups are few."""

    @classmethod
    def parse(cls, rows: Mapping[str, str]) -> Options:
        """From the options table. Never raises: a bad value keeps its default and is named in problems."""
        raw = dict(DEFAULTS)
        problems = []
        for name, value in rows.items():
            if name not in DEFAULTS:
                raw[name] = value
                continue
            try:
                validate(name, value)
                raw[name] = value
            except InvalidRequest as error:
                problems.append(error.message)

        def on(name: str) -> bool:
            return raw[name] == TRUE

        def whole(name: str) -> int:
            try:
                return int(raw[name])
            except ValueError:
                return int(DEFAULTS[name])

        def table(name: str) -> dict[str, Any]:
            return dict(json.loads(raw[name] or "{}"))

        words = raw["SensitiveWords"] if on("CheckSensitiveEnabled") and on("CheckSensitiveOnPromptEnabled") else ""
        return cls(
            raw=raw,
            retry_times=whole("RetryTimes"),
            retry_statuses=status_set(raw["AutomaticRetryStatusCodes"]),
            automatic_disable_channel=on("AutomaticDisableChannelEnabled"),
            automatic_enable_channel=on("AutomaticEnableChannelEnabled"),
            disable_statuses=status_set(raw["AutomaticDisableStatusCodes"]),
            disable_keywords=_lines(raw["AutomaticDisableKeywords"]),
            pre_consumed_quota=whole("PreConsumedQuota"),
            free_model_pre_consume=on("quota_setting.enable_free_model_pre_consume"),
            self_use_mode=on("SelfUseModeEnabled"),
            usable_groups={str(k): str(v) for k, v in table("UserUsableGroups").items()},
            special_usable_groups={
                str(k): {str(a): str(b) for a, b in v.items()}
                for k, v in table("group_ratio_setting.group_special_usable_group").items()
                if isinstance(v, dict)
            },
            group_names=frozenset(table("GroupRatio")),
            auto_groups=tuple(str(group) for group in json.loads(raw["AutoGroups"] or "[]")),
            prompt_words=_lines(words),
            rate_limit_enabled=on("ModelRequestRateLimitEnabled"),
            rate_limit_count=whole("ModelRequestRateLimitCount"),
            rate_limit_success=whole("ModelRequestRateLimitSuccessCount"),
            rate_limit_minutes=max(1, whole("ModelRequestRateLimitDurationMinutes")),
            rate_limit_groups={
                str(group): (pair[0], pair[1])
                for group, pair in table("ModelRequestRateLimitGroup").items()
                if isinstance(pair, list) and len(pair) == 2 and all(type(count) is int for count in pair)
            },
            prefer_same_dialect=on("isthmus.prefer_same_dialect"),
            responses_policy=ResponsesPolicy.parse(raw[responses_policy.NAME]),
            max_user_tokens=whole("token_setting.max_user_tokens"),
            quota_for_new_user=whole("QuotaForNewUser"),
            problems=tuple(problems),
        )

    def usable(self, user_group: str) -> frozenset[str]:
        """The groups an account of this group may use: the usable ones, changed by the special ones, and its own."""
        known = self._usable.get(user_group)
        if known is None:
            found = set(self.usable_groups)
            for name in self.special_usable_groups.get(user_group, {}):
                if name.startswith("-:"):
                    found.discard(name[2:])
                else:
                    found.add(name.removeprefix("+:"))
            found.add(user_group)
            known = self._usable[user_group] = frozenset(found)
        return known


def _lines(text: str) -> tuple[str, ...]:
    """Non-empty lines, in lower case."""
    return tuple(line.strip().lower() for line in text.splitlines() if line.strip())
