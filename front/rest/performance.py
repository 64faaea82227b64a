"""How models did, in New API's shapes."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import catalog_pb2

from front.rest.manager import Call, Level, Raw, Route
from front.rest.sent import INT32

SCHEMA = "ts,avg_ttft_ms,avg_latency_ms,success_rate,avg_tps"
"""What a point of a series holds."""


def rate(part: int, whole: int, digits: int = 2) -> float:
    """Part / whole; 0 of nothing."""
    return round(part / whole, digits) if whole else 0.0


def figures(found: catalog_pb2.PerformanceFigures) -> dict[str, float]:
    """Averages: milliseconds, per cent, tokens per second."""
    return {
        "avg_ttft_ms": rate(found.first_byte_ms, found.first_bytes),
        "avg_latency_ms": rate(found.latency_ms, found.successes),
        "success_rate": rate(found.successes * 100, found.requests),
        "avg_tps": rate(found.output_tokens * 1000, found.generation_ms),
    }


async def _asked(c: Call, model: str) -> Any:
    asked = catalog_pb2.GetPerformanceRequest(model=model, group=c.text("group"), hours=min(c.number("hours"), INT32))
    return (await c.m.catalog.GetPerformance(asked, metadata=c.who)).models


async def summary(c: Call) -> Any:
    """Every model, groups together."""
    told = []
    for row in await _asked(c, ""):
        averages = figures(row.figures)
        del averages["avg_ttft_ms"]
        recent = [figures(point.figures)["success_rate"] for point in row.points]
        told.append(
            {
                "model_name": row.model,
                **averages,
                "recent_success_rates": recent,
                "request_count": row.figures.requests,
            }
        )
    return {"models": told}


async def of_model(c: Call) -> Any:
    """One model, by group."""
    model = c.text("model")
    if not model:
        return Raw({"success": False, "message": "Which model?"}, 400)
    groups = [
        {
            "group": row.group,
            **figures(row.figures),
            "series": [{"ts": point.at, **figures(point.figures)} for point in row.points],
        }
        for row in await _asked(c, model)
    ]
    return {"model_name": model, "series_schema": SCHEMA, "groups": groups}


ROUTES = (
    Route("GET", "/api/perf-metrics/summary", Level.VISITOR, summary),
    Route("GET", "/api/perf-metrics", Level.VISITOR, of_model),
)
