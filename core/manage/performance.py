"""How models did: time to the first token, tokens per second, success."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from isthmus.v1 import catalog_pb2

from core.errors import InvalidRequest
from core.ledger.statistics import BUCKETS, HOUR
from core.manage import catalog, fields
from core.options.kinds import TRUE
from core.services.context import Services
from core.state.types import ROLE_ADMIN, Principal

HOURS, HOURS_MOST = 24, 720
POINTS_MOST = 2_000
"""Points of a series: a longer time is told by hours."""


def _figures(row: Mapping[str, Any]) -> catalog_pb2.PerformanceFigures:
    return catalog_pb2.PerformanceFigures(
        requests=int(row["request_count"]),
        successes=int(row["success_count"]),
        latency_ms=int(row["total_latency_ms"]),
        first_byte_ms=int(row["ttft_sum_ms"]),
        first_bytes=int(row["ttft_count"]),
        output_tokens=int(row["output_tokens"]),
        generation_ms=int(row["generation_ms"]),
    )


def _added(sum_: catalog_pb2.PerformanceFigures, more: catalog_pb2.PerformanceFigures) -> None:
    for field in catalog_pb2.PerformanceFigures.DESCRIPTOR.fields:
        setattr(sum_, field.name, getattr(sum_, field.name) + getattr(more, field.name))


async def performance(
    services: Services, principal: Principal | None, request: catalog_pb2.GetPerformanceRequest
) -> catalog_pb2.GetPerformanceResponse:
    """Figures of the models that the caller may see prices of. Raises SwitchedOff, InvalidRequest."""
    snapshot = services.state.snapshot
    catalog.page_open(snapshot, principal)
    model, group = fields.text(request.model, "model"), fields.text(request.group, "group")
    hours = fields.whole(request.hours or HOURS, "hours", 1, HOURS_MOST)
    response = catalog_pb2.GetPerformanceResponse()
    raw = snapshot.options.raw
    if raw["perf_metrics_setting.enabled"] != TRUE:
        return response
    own = principal.account.group if principal is not None else ""
    usable = {name for name in snapshot.options.usable(own) if name}
    everything = principal is not None and principal.account.role >= ROLE_ADMIN
    if group and not everything and group not in usable:
        raise InvalidRequest("There is no such group that you may use.", param="group")
    # All models: a day's worth of points, whatever the time.
    width = BUCKETS.get(raw["perf_metrics_setting.bucket_time"], HOUR) if model else -(-hours // HOURS) * HOUR
    if hours * HOUR // width > POINTS_MOST:
        width = HOUR
    since = int(time.time()) - hours * HOUR
    rows = await services.store.statistics.performance(since // width * width, width, model=model, group=group)
    found: dict[tuple[str, str], catalog_pb2.ModelPerformance] = {}
    points: dict[tuple[str, str, int], catalog_pb2.PerformancePoint] = {}
    for row in rows:
        if not everything and row["group"] not in usable:
            continue
        key = (row["model_name"], row["group"] if model else "")
        told = found.setdefault(key, catalog_pb2.ModelPerformance(model=key[0], group=key[1]))
        figures, at = _figures(row), int(row["bucket"])
        _added(told.figures, figures)
        point = points.get((*key, at))
        if point is None:
            point = points[*key, at] = told.points.add(at=at)
        _added(point.figures, figures)
    response.models.extend(found[key] for key in sorted(found))
    return response
