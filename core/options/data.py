"""Options about drawing, tasks, logs and statistics."""

from __future__ import annotations

from core.options.kinds import SWITCH, choice, number, whole
from core.options.row import Row

ROWS = (
    Row("DrawingEnabled", SWITCH, "true", "Show drawings.", used=False),
    Row("TaskEnabled", SWITCH, "true", "Show tasks.", used=False),
    Row("MjNotifyEnabled", SWITCH, "false", "Take callbacks of Midjourney proxies.", used=False),
    Row("MjAccountFilterEnabled", SWITCH, "false", "Pass the account filter on.", used=False),
    Row("MjModeClearEnabled", SWITCH, "false", "Take --fast and the like out of prompts.", used=False),
    Row("MjForwardUrlEnabled", SWITCH, "true", "Give out addresses of this site for pictures.", used=False),
    Row("MjActionCheckSuccessEnabled", SWITCH, "true", "Act on finished drawings alone.", used=False),
    Row("LogConsumeEnabled", SWITCH, "true", "Keep a log line of what was used.", used=False,
        why_not="a line of the log is a receipt, and a receipt is the charge: it is always kept"),
    Row("DataExportEnabled", SWITCH, "true", "Show the dashboard's statistics.", public=True),
    Row("DataExportInterval", whole(1, 1440), "5", "Minutes between two writes of the statistics.", used=False,
        why_not="statistics are written with the log, in one transaction, and are never late"),
    Row("DataExportDefaultTime", choice("hour", "day", "week"), "hour", "How the dashboard counts.", public=True),
    Row("perf_metrics_setting.enabled", SWITCH, "true", "Measure models."),
    Row("perf_metrics_setting.flush_interval", number(0, above=True), "5", "Minutes between two writes.", used=False,
        why_not="measures are written with the log, in one transaction"),
    Row("perf_metrics_setting.bucket_time", choice("hour", "minute", "5min"), "hour", "Length of a measure."),
    Row("perf_metrics_setting.retention_days", whole(0), "0", "Days they are kept; 0: for ever."),
    Row("isthmus.log_retention_days", whole(0), "0", "Days lines of the log are kept; 0: for ever. Sums stay."),
)  # fmt: skip
