"""Options about channels: retries, disabling, tests, affinity."""

from __future__ import annotations

import json

from core.options.kinds import LINES, STATUSES, SWITCH, checked, choice, number, whole
from core.options.row import Row
from core.state import affinity_rules

KEYWORDS = (
    "Your credit balance is too low\nThis organization has been disabled.\nYou exceeded your current quota\n"
    "Permission denied\nThe security token included in the request is invalid\nOperation not allowed\n"
    "Your account is not authorized"
)


def _rule(name: str, model: str, path: str, key: str) -> dict[str, object]:
    return {
        "name": name,
        "model_regex": [model],
        "path_regex": [path],
        "key_sources": [{"type": "gjson", "path": key}],
        "skip_retry_on_failure": True,
        "include_using_group": True,
        "include_rule_name": True,
    }


RULES = json.dumps(
    [
        _rule("codex cli trace", "^gpt-.*$", "/v1/responses", "prompt_cache_key"),
        _rule("claude cli trace", "^claude-.*$", "/v1/messages", "metadata.user_id"),
    ]
)

ROWS = (
    Row("RetryTimes", whole(0, 100), "0", "Tries after the first."),
    Row("AutomaticRetryStatusCodes", STATUSES, "100-199,300-399,401-407,409-499,500-503,505-523,525-599",
        "Answers after which another channel is tried; 504 and 524 never are."),
    Row("AutomaticDisableChannelEnabled", SWITCH, "false", "Disable a channel's key that fails for good."),
    Row("AutomaticEnableChannelEnabled", SWITCH, "false", "Enable it again when a test passes."),
    Row("AutomaticDisableStatusCodes", STATUSES, "401", "Answers that mean so."),
    Row("AutomaticDisableKeywords", LINES, KEYWORDS, "Words of answers that mean so, whatever their case."),
    Row("ChannelDisableThreshold", number(0), "5", "Seconds a test in a round may take; 0: any."),
    Row("monitor_setting.auto_test_channel_enabled", SWITCH, "false", "Test channels in rounds."),
    Row("monitor_setting.auto_test_channel_minutes", number(0, above=True), "10", "Minutes between rounds."),
    Row("monitor_setting.channel_test_mode", choice("scheduled_all", "passive_recovery"), "scheduled_all",
        "All, or those that were disabled automatically."),
    Row("channel_affinity_setting.enabled", SWITCH, "true", "Keep a conversation on its channel."),
    Row("channel_affinity_setting.switch_on_success", SWITCH, "true", "Go on where another channel answered."),
    Row("channel_affinity_setting.keep_on_channel_disabled", SWITCH, "false", "Remember disabled channels."),
    Row("channel_affinity_setting.max_entries", whole(1, 10_000_000), "100000", "Most conversations remembered."),
    Row("channel_affinity_setting.default_ttl_seconds", whole(1), "3600", "How long."),
    Row("channel_affinity_setting.rules", checked("JSON array of rules", affinity_rules.rules), RULES,
        "How conversations are known. What a rule's channel refuses is not retried where skip_retry_on_failure says "
        "so; a channel that is not well is left at once, whatever it says. param_override_template is kept, no more."),
    Row("isthmus.prefer_same_dialect", SWITCH, "false",
        "Of channels of one priority prefer those that speak the client's dialect."),
    Row("isthmus.keep_conversations", SWITCH, "false",
        "Conversations that no affinity rule knows stay with their channel and key, too, for the vendor's cache."),
    Row("isthmus.channel_choice", choice("weight", "latency", "cost"), "weight",
        "Of channels of one priority: drawn by weight; or of two drawn, the one whose first token came sooner of "
        "late, or the cheaper one by settings.isthmus.cost."),
)  # fmt: skip
