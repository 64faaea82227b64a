"""Options about limits, filters and what may be fetched."""

from __future__ import annotations

from core.options.kinds import (
    ADDRESS,
    LINES,
    STRINGS,
    SWITCH,
    TEXT,
    array,
    limits,
    mapping,
    network,
    number,
    port_range,
    whole,
)
from core.options.row import Row
from core.pacing.rules import RULES

IN_MEMORY = "bodies stay in memory, within ISTHMUS_BODIES_IN_FLIGHT_MB; none is put on a disk"
PERCENT = number(0, 100)

ROWS = (
    Row("ModelRequestRateLimitEnabled", SWITCH, "false", "Limit requests to models, by account."),
    Row("ModelRequestRateLimitCount", whole(0), "0", "Requests in a window; 0: any."),
    Row("ModelRequestRateLimitSuccessCount", whole(0), "1000", "Successful ones in a window; 0: any."),
    Row("ModelRequestRateLimitDurationMinutes", whole(1, 525_600), "1", "Length of the window."),
    Row("ModelRequestRateLimitGroup", mapping("group -> [requests, successes]", limits), "{}",
        "Other limits for some groups."),
    Row("isthmus.rate_limits", RULES, "[]",
        "Limits in a minute and at once, counted by account, group, model, or account and model (account_model); group "
        "and model (a name, or its beginning and *) say whom a rule is for. Keys have limits of their own beside."),
    Row("CheckSensitiveEnabled", SWITCH, "true", "Look for sensitive words at all."),
    Row("CheckSensitiveOnPromptEnabled", SWITCH, "true", "Look for them in prompts."),
    Row("StopOnSensitiveEnabled", SWITCH, "true", "End an answer that holds one.", used=False,
        why_not="New API offers it and never looks at answers; here, too, prompts alone are looked at"),
    Row("StreamCacheQueueLength", whole(0), "0", "Events held back to look at answers.", used=False,
        why_not="answers are not looked at, so that nothing is held back"),
    Row("SensitiveWords", LINES, "test_sensitive", "The words, whatever their case."),
    Row("fetch_setting.enable_ssrf_protection", SWITCH, "true", "Guard what is fetched for users by the rules below."),
    Row("fetch_setting.allow_private_ip", SWITCH, "false",
        "Let addresses be fetched that are not on the public internet; where clouds keep secrets only if listed."),
    Row("fetch_setting.domain_filter_mode", SWITCH, "false", "The domains are the only ones allowed; off: refused."),
    Row("fetch_setting.ip_filter_mode", SWITCH, "false", "The networks are the only ones allowed; off: refused."),
    Row("fetch_setting.domain_list", STRINGS, "[]", "Domains; *.x takes those below."),
    Row("fetch_setting.ip_list", array("addresses and networks", network), "[]", "Networks."),
    Row("fetch_setting.allowed_ports", array("ports and ranges of ports", port_range),
        '["80","443","8080","8443"]', "Ports; [] takes any."),
    Row("fetch_setting.apply_ip_filter_for_domain", SWITCH, "true",
        "Look for what names resolve to in the networks; whether it is private is always looked at."),
    Row("WorkerUrl", ADDRESS, "", "An outside fetcher of files.", used=False,
        why_not="files are fetched here, behind the guard; no prompt's address goes to a third party"),
    Row("WorkerValidKey", TEXT, "", "What it is shown.", used=False, why_not="as WorkerUrl"),
    Row("WorkerAllowHttpImageRequestEnabled", SWITCH, "false", "Let it fetch without TLS.", used=False,
        why_not="as WorkerUrl"),
    Row("performance_setting.disk_cache_enabled", SWITCH, "false", "Put large bodies on a disk.", used=False,
        why_not=IN_MEMORY),
    Row("performance_setting.disk_cache_threshold_mb", whole(1), "10", "From which size.", used=False,
        why_not=IN_MEMORY),
    Row("performance_setting.disk_cache_max_size_mb", whole(1), "1024", "How much in all.", used=False,
        why_not=IN_MEMORY),
    Row("performance_setting.disk_cache_path", TEXT, "", "Where.", used=False, why_not=IN_MEMORY),
    Row("performance_setting.monitor_enabled", SWITCH, "false",
        "Answer 503 above the thresholds below (on in New API, where a busy machine refuses whom it could serve)."),
    Row("performance_setting.monitor_cpu_threshold", PERCENT, "90", "Per cent of the processors; 0: any."),
    Row("performance_setting.monitor_memory_threshold", PERCENT, "90", "Per cent of the memory; 0: any."),
    Row("performance_setting.monitor_disk_threshold", PERCENT, "95", "Per cent of the data folder's disk; 0: any."),
)  # fmt: skip
