"""The gateway itself, for root: tasks, nodes, processes; and status pages, for everybody."""

from __future__ import annotations

import json
from typing import Any

from isthmus.v1 import admin_pb2, routing_pb2, system_pb2

from front.errors import bad
from front.rest.manager import Call, Level, Raw, Route

SCHEMA_VERSION = 1


def _json(text: str) -> Any:
    return json.loads(text) if text else None


def task(found: routing_pb2.Round) -> dict[str, Any]:
    """New API's Task. payload and state are objects."""
    return {
        "task_id": found.task_id,
        "type": found.type,
        "status": found.status,
        "active_key": found.type if found.status == "running" else None,
        "payload": _json(found.payload_json) or {},
        "state": _json(found.state_json) or {},
        "result": _json(found.result_json),
        "error": found.error,
        "locked_by": found.worker,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
    }


async def clean_log(c: Call) -> Any:
    """Begins to delete lines before target_timestamp; the task that is under way where there is one."""
    asked = system_pb2.StartLogCleanupRequest(before=c.number("target_timestamp"))
    return task((await c.m.system.StartLogCleanup(asked, metadata=c.who)).task)


async def tasks(c: Call) -> Any:
    """The newest."""
    asked = system_pb2.ListTasksRequest(limit=min(c.number("limit"), 100))
    return [task(found) for found in (await c.m.system.ListTasks(asked, metadata=c.who)).tasks]


async def current(c: Call) -> Any:
    """The one of a type that is under way, or null."""
    found = await c.m.system.GetTask(system_pb2.GetTaskRequest(type=c.text("type")), metadata=c.who)
    return task(found.task) if found.HasField("task") else None


async def one(c: Call, task_id: str) -> Any:
    """By its id."""
    found = await c.m.system.GetTask(system_pb2.GetTaskRequest(task_id=task_id), metadata=c.who)
    return task(found.task)


async def abort(c: Call, task_id: str) -> Any:
    """Ends it."""
    found = await c.m.system.AbortTask(system_pb2.AbortTaskRequest(task_id=task_id), metadata=c.who)
    return task(found.task)


# -- nodes ------------------------------------------------------------------------------------


def _instance(node: system_pb2.Instance, stale: int) -> dict[str, Any]:
    started = min(worker.started_at for worker in node.workers)
    used = {name: {"usage_percent": node.used[name]} for name in ("cpu", "memory") if name in node.used}
    storage = {
        "total_bytes": node.disk_total,
        "used_bytes": node.disk_total - node.disk_free,
        "free_bytes": node.disk_free,
        "used_percent": node.used.get("disk", 0),
    }
    return {
        "node_name": node.node,
        "status": "online" if any(worker.online for worker in node.workers) else "stale",
        "stale_after_seconds": stale,
        "started_at": started,
        "last_seen_at": max(worker.seen_at for worker in node.workers),
        "info": {
            "schema_version": SCHEMA_VERSION,
            "node": {
                "name": node.node,
                "source": "environment" if node.named else "hostname",
                "manually_configured": node.named,
                "should_configure_manually": False,
            },
            "role": {"is_master": node.master},
            "runtime": {"version": node.version, "goos": node.system, "goarch": node.machine, "started_at": started},
            "host": {"hostname": node.host},
            "resources": {**used, "storage": storage},
            "workers": [
                {
                    "slot": worker.slot,
                    "pid": worker.pid,
                    "started_at": worker.started_at,
                    "last_seen_at": worker.seen_at,
                    "online": worker.online,
                    "memory_bytes": worker.memory,
                    "running": worker.running,
                    "journal_lag_bytes": worker.journal_lag,
                }
                for worker in node.workers
            ],
        },
    }


async def instances(c: Call) -> Any:
    """New API's instances, each with its workers; ours: how the ledger stands, beside data."""
    found = await c.m.system.ListInstances(system_pb2.ListInstancesRequest(), metadata=c.who)
    ledger = found.ledger
    told = {
        "purses": ledger.purses,
        "available": ledger.available,
        "leased": ledger.leased,
        "settled": ledger.settled,
        "set_aside": ledger.set_aside,
        "journals": [
            {
                "node": each.node,
                "slot": each.slot,
                "state": each.state,
                "last_seen_at": each.seen_at,
                "leases": each.leases,
                "leased": each.leased,
                "problem": each.problem,
            }
            for each in ledger.journals
        ],
    }
    data = [_instance(node, found.stale_seconds) for node in found.instances]
    return Raw({"success": True, "message": "", "data": data, "ledger": told})


# -- the process that answers -------------------------------------------------------------------


def _options(rows: Any, prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in rows.items() if name.startswith(prefix)}


async def runtime(c: Call) -> Any:
    """New API's figures of a process: of its cache on disk, which is not here, all are 0."""
    found = await c.m.system.GetRuntime(system_pb2.GetRuntimeRequest(), metadata=c.who)
    rows = (await c.m.admin.ListOptions(admin_pb2.ListOptionsRequest(), metadata=c.who)).options
    options = _options(rows, "performance_setting.")
    used = found.disk_total - found.disk_free
    return {
        "cache_stats": dict.fromkeys(
            (
                "active_disk_files", "current_disk_usage_bytes", "active_memory_buffers", "current_memory_usage_bytes",
                "disk_cache_hits", "memory_cache_hits", "disk_cache_max_bytes", "disk_cache_threshold_bytes",
            ),
            0,
        ),
        "memory_stats": {
            "alloc": found.memory,
            "total_alloc": found.memory_peak,
            "sys": found.memory,
            "num_gc": found.collections,
            "num_goroutine": found.tasks,
        },
        "disk_cache_info": {"path": "", "exists": False, "file_count": 0, "total_size": 0},
        "disk_space_info": {
            "total": found.disk_total,
            "free": found.disk_free,
            "used": used,
            "used_percent": round(used * 100 / max(found.disk_total, 1), 2),
        },
        "config": {
            "disk_cache_enabled": False,
            "disk_cache_threshold_mb": 0,
            "disk_cache_max_size_mb": 0,
            "disk_cache_path": "",
            "is_running_in_container": found.container,
            "monitor_enabled": options["monitor_enabled"] == "true",
            "monitor_cpu_threshold": float(options["monitor_cpu_threshold"]),
            "monitor_memory_threshold": float(options["monitor_memory_threshold"]),
            "monitor_disk_threshold": float(options["monitor_disk_threshold"]),
        },
        "worker": {"name": found.worker, "running": found.running, "journal_lag_bytes": found.journal_lag},
    }  # fmt: skip


async def collect(c: Call) -> Any:
    """Collects garbage in the worker that answers."""
    found = await c.m.system.CollectGarbage(system_pb2.CollectGarbageRequest(), metadata=c.who)
    return {"collected": found.collected}


async def nothing_kept(c: Call) -> Any:
    """There is no cache on disk and no counter of it: nothing is left of either."""
    await c.m.system.GetRuntime(system_pb2.GetRuntimeRequest(), metadata=c.who)


async def log_files(c: Call) -> Any:
    """The gateway writes its log to its error stream, where the house that runs it keeps it: no files."""
    await c.m.system.GetRuntime(system_pb2.GetRuntimeRequest(), metadata=c.who)
    return {"log_dir": "", "enabled": False, "file_count": 0, "total_size": 0, "files": []}


async def delete_log_files(c: Call) -> Any:
    """None are here."""
    await c.m.system.GetRuntime(system_pb2.GetRuntimeRequest(), metadata=c.who)
    if c.text("mode") not in ("by_count", "by_days") or c.number("value") < 1:
        raise bad("mode is by_count or by_days, value a number of 1 or more.", "mode")
    return {"deleted_count": 0, "freed_bytes": 0, "failed_files": []}


# -- status pages -------------------------------------------------------------------------------


async def uptime(c: Call) -> Any:
    """Monitors of each group; empty where the page cannot be read."""
    found = await c.m.system.GetUptime(system_pb2.GetUptimeRequest(), metadata=c.who)
    told = []
    for group in found.groups:
        rows = []
        for each in group.monitors:
            row = {"name": each.name, "uptime": each.uptime, "status": each.status}
            rows.append({**row, "group": each.group} if each.group else row)
        told.append({"categoryName": group.name, "monitors": rows})
    return told


ROUTES = (
    Route("POST", "/api/system-task/log-cleanup", Level.ROOT, clean_log),
    Route("GET", "/api/system-task/list", Level.ROOT, tasks),
    Route("GET", "/api/system-task/current", Level.ROOT, current),
    Route("GET", "/api/system-task/<task_id>", Level.ROOT, one),
    Route("DELETE", "/api/system-task/<task_id>", Level.ROOT, abort),
    Route("GET", "/api/system-info/instances", Level.ROOT, instances),
    Route("GET", "/api/performance/stats", Level.ROOT, runtime),
    Route("DELETE", "/api/performance/disk_cache", Level.ROOT, nothing_kept),
    Route("POST", "/api/performance/reset_stats", Level.ROOT, nothing_kept),
    Route("POST", "/api/performance/gc", Level.ROOT, collect),
    Route("GET", "/api/performance/logs", Level.ROOT, log_files),
    Route("DELETE", "/api/performance/logs", Level.ROOT, delete_log_files),
    Route("GET", "/api/uptime/status", Level.PUBLIC, uptime),
)
