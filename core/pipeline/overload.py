"""Whether the machine is above the operator's thresholds (performance_setting.monitor_*)."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.state.options import Options

SAMPLE_SECONDS = 2.0
"""How long a look at the machine counts."""


class Machine:
    """Processors and memory by Linux's /proc, the data folder's disk; elsewhere only the disk is known."""

    def __init__(self, data: Path, proc: Path = Path("/proc")) -> None:
        self._data = data
        self._proc = proc
        self._until = 0.0
        self._idle = self._all = 0
        self._loads: dict[str, float] = {}

    def above(self, options: Options, now: float) -> str:
        """What is above its threshold ("cpu", "memory", "disk"), or "". now is monotonic seconds."""
        if not options.monitor_enabled:
            return ""
        if now >= self._until:
            self._until = now + SAMPLE_SECONDS
            self._loads = self.look()
        return next((name for name, most in options.thresholds if most and self._loads.get(name, 0.0) > most), "")

    def look(self) -> dict[str, float]:
        """Per cent in use, as far as it is known."""
        found: dict[str, float] = {}
        try:
            ticks = [int(text) for text in (self._proc / "stat").read_text().partition("\n")[0].split()[1:9]]
            idle, all_ = ticks[3] + ticks[4], sum(ticks)
            if self._all and all_ > self._all:
                found["cpu"] = 100 * (1 - (idle - self._idle) / (all_ - self._all))
            self._idle, self._all = idle, all_
            lines = (line.split() for line in (self._proc / "meminfo").read_text().splitlines())
            held = {line[0]: int(line[1]) for line in lines if len(line) > 1}
            found["memory"] = 100 * (1 - held["MemAvailable:"] / held["MemTotal:"])
        except (OSError, ValueError, KeyError, IndexError, ZeroDivisionError):
            pass
        try:
            disk = shutil.disk_usage(self._data)
            found["disk"] = 100 * disk.used / disk.total
        except (OSError, ZeroDivisionError):
            pass
        return found
