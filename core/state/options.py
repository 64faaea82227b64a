"""Options as requests read them: what administrators set, typed. Their names and bounds: core/options/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import InvalidRequest
from core.options.kinds import TRUE, status_set
from core.options.table import ALIASES, DEFAULTS, validate
from core.pacing.rules import Rule, parsed
from core.state import affinity_rules, responses_policy
from core.state.responses_policy import ResponsesPolicy


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
    disable_seconds: float
    """Seconds a test in a round may take; 0: any."""
    test_channels: bool
    """Rounds of tests come by themselves."""
    test_minutes: float
    test_recovery: bool
    """Such rounds ask only channels that were disabled automatically."""
    pre_consumed_quota: int
    free_model_pre_consume: bool
    self_use_mode: bool
    usable_groups: Mapping[str, str]
    special_usable_groups: Mapping[str, Mapping[str, str]]
    group_names: frozenset[str]
    auto_groups: tuple[str, ...]
    prompt_words: tuple[str, ...]
    rate_limits: tuple[Rule, ...]
    """isthmus.rate_limits."""
    rate_limit_enabled: bool
    rate_limit_count: int
    rate_limit_success: int
    rate_limit_minutes: int
    rate_limit_groups: Mapping[str, tuple[int, int]]
    prefer_same_dialect: bool
    channel_choice: str
    """"weight", or of two drawn by weight the one that is quicker ("latency") or cheaper ("cost")."""
    affinity: affinity_rules.Policy
    monitor_enabled: bool
    thresholds: tuple[tuple[str, float], ...]
    """What the machine may be used at most, per cent; 0: any."""
    ping_seconds: float
    """Silence of a stream before a sign of life; 0: as the front is set."""
    responses_policy: ResponsesPolicy
    keep_responses: bool
    keep_responses_seconds: int
    keep_responses_bytes: int
    """Of one account."""
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
        for alias, name in ALIASES.items():
            if alias in rows and name not in rows:
                raw[name] = raw[alias]
            raw[alias] = raw[name]

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
            disable_seconds=float(raw["ChannelDisableThreshold"]),
            test_channels=on("monitor_setting.auto_test_channel_enabled"),
            test_minutes=float(raw["monitor_setting.auto_test_channel_minutes"]),
            test_recovery=raw["monitor_setting.channel_test_mode"] == "passive_recovery",
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
            rate_limits=parsed(raw["isthmus.rate_limits"]),
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
            channel_choice=raw["isthmus.channel_choice"],
            affinity=affinity_rules.Policy.parse(raw),
            monitor_enabled=on("performance_setting.monitor_enabled"),
            thresholds=(
                ("cpu", float(raw["performance_setting.monitor_cpu_threshold"])),
                ("memory", float(raw["performance_setting.monitor_memory_threshold"])),
                ("disk", float(raw["performance_setting.monitor_disk_threshold"])),
            ),
            ping_seconds=(
                float(whole("general_setting.ping_interval_seconds"))
                if on("general_setting.ping_interval_enabled")
                else 0.0
            ),
            responses_policy=ResponsesPolicy.parse(raw[responses_policy.NAME]),
            keep_responses=on("isthmus.keep_responses"),
            keep_responses_seconds=whole("isthmus.keep_responses_hours") * 3600,
            keep_responses_bytes=whole("isthmus.keep_responses_mb") << 20,
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
