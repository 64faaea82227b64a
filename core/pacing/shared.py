"""Meters and places of all nodes, in Redis: the arithmetic of core/pacing/table.py in one script, by Redis' clock.

Nothing else rests on Redis. Where it does not answer, each node counts for itself
until it is back, or refuses what is limited: ISTHMUS_LIMITS_WITHOUT_REDIS says which.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Sequence
from typing import Any

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from core.errors import Overloaded
from core.pacing.demand import Demands, Meter, Refused, Taken
from core.pacing.table import Table

logger = logging.getLogger("isthmus.pacing")

PATIENCE = 0.25
"""Seconds for an answer; a request that is limited waits no longer."""
PAUSE = 1.0
"""Seconds after a failure in which Redis is not asked."""
STALE_SECONDS = 3600
"""A place that was never given back (a node that was lost) is free after so long; a longer request holds none then."""
LOCAL_MOST = 100_000
"""Requests that were counted by the node and have not ended; beyond it they are not remembered."""

TAKE = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1e6
local meters, places = tonumber(ARGV[1]), tonumber(ARGV[2])
local request, stale = ARGV[3], tonumber(ARGV[4])
for i = 1, places do
  local key, most = KEYS[meters + i], tonumber(ARGV[4 + 3 * meters + i])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  if redis.call('ZCARD', key) >= most then return {'place', tostring(i)} end
end
local out, over, ends = {'taken'}, false, {}
for i = 1, meters do
  local most, cost, unit = tonumber(ARGV[2 + 3 * i]), tonumber(ARGV[3 + 3 * i]), tonumber(ARGV[4 + 3 * i])
  local empty = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), now)
  local used = (empty - now) / unit
  if used + math.min(cost, most) > most + 1e-6 then over = true end
  out[i + 1] = string.format('%.6f', used)
  ends[i] = empty + cost * unit
end
if over then out[1] = 'over' return out end
for i = 1, meters do
  if ends[i] > now then
    redis.call('SET', KEYS[i], string.format('%.6f', ends[i]), 'PX', math.ceil((ends[i] - now) * 1000) + 1000)
  end
end
for i = 1, places do
  local key = KEYS[meters + i]
  redis.call('ZADD', key, now + stale, request)
  redis.call('EXPIRE', key, stale + 60)
end
return out
"""
CORRECT = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1e6
local empty = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + tonumber(ARGV[1])
if empty > now then
  redis.call('SET', KEYS[1], string.format('%.6f', empty), 'PX', math.ceil((empty - now) * 1000) + 1000)
else
  redis.call('DEL', KEYS[1])
end
"""


def _name(kind: str, subject: int) -> str:
    # One hash tag: a script may only touch keys of one slot of a cluster.
    return f"{{isthmus}}:{kind}:{subject:016x}"


class Shared:
    """Counts in Redis; in the node's own table while that is away."""

    def __init__(self, address: str, connections: int, table: Table, *, closed: bool) -> None:
        pool = aioredis.BlockingConnectionPool.from_url(
            address,
            max_connections=max(1, connections),
            timeout=PATIENCE,
            socket_timeout=PATIENCE,
            socket_connect_timeout=PATIENCE,
        )
        self._pool = pool
        self._redis: Any = aioredis.Redis(connection_pool=pool)
        self._take = self._redis.register_script(TAKE)
        self._correct = self._redis.register_script(CORRECT)
        self._table, self._closed = table, closed
        self._away_until = 0.0
        self._local: set[str] = set()
        self._chores: set[asyncio.Task[None]] = set()

    async def take(self, demands: Demands, request: str) -> tuple[Taken, ...]:
        """All of them, or none. Raises Refused, Overloaded."""
        if time.monotonic() >= self._away_until:
            asked = asyncio.get_running_loop().create_task(self._ask(demands, request))
            try:
                return _read(demands, await asyncio.shield(asked))
            except (RedisError, OSError, TimeoutError) as error:
                self._lost(error)
                # It may have been counted all the same.
                self.leave(demands, request)
            except asyncio.CancelledError:
                # Whoever asked is gone; what was taken must not stay.
                self._chore(self._undo(asked, demands, request))
                raise
        if self._closed:
            raise Overloaded("Limits cannot be counted now; try again later.", retry_after_ms=int(PAUSE * 1000))
        taken = await self._table.take(demands, request)
        if len(self._local) < LOCAL_MOST:
            self._local.add(request)
        return taken

    async def _undo(self, asked: asyncio.Task[Sequence[bytes]], demands: Demands, request: str) -> None:
        """Gives back what a request took whose caller went meanwhile."""
        try:
            taken = _read(demands, await asked)
        except Refused:
            return
        for each in taken:
            self.correct(each.meter, -each.meter.cost, request)
        self.leave(demands, request)

    async def _ask(self, demands: Demands, request: str) -> Sequence[bytes]:
        keys = [_name("m", meter.subject) for meter in demands.meters]
        keys += [_name("p", place.subject) for place in demands.places]
        values: list[Any] = [len(demands.meters), len(demands.places), request, STALE_SECONDS]
        for meter in demands.meters:
            values += [meter.limit, meter.cost, repr(meter.seconds)]
        values += [place.limit for place in demands.places]
        async with asyncio.timeout(PATIENCE * 2):
            found: Sequence[bytes] = await self._take(keys=keys, args=values)
        return found

    def _lost(self, error: Exception) -> None:
        self._away_until = time.monotonic() + PAUSE
        logger.warning(
            "Redis does not answer; limits are %s", "closed" if self._closed else "counted by this node alone",
            extra={"error": type(error).__name__},
        )  # fmt: skip

    def correct(self, meter: Meter, units: float, request: str) -> None:
        """Takes more of a meter, or gives back what was not used; after the answer, by the way."""
        if request in self._local:
            self._table.correct(meter, units, request)
        else:
            self._chore(self._correct(keys=[_name("m", meter.subject)], args=[repr(units * meter.seconds)]))

    def leave(self, demands: Demands, request: str) -> None:
        """The request has ended."""
        if request in self._local:
            self._local.discard(request)
            self._table.leave(demands, request)
            return
        for place in demands.places:
            self._chore(self._redis.zrem(_name("p", place.subject), request))

    def _chore(self, work: Awaitable[Any]) -> None:
        async def run() -> None:
            try:
                await work
            except (RedisError, OSError, TimeoutError) as error:
                # What is not given back runs out by itself: a minute's, or a place's.
                self._lost(error)

        chore = asyncio.get_running_loop().create_task(run())
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    async def close(self) -> None:
        """Ends what is under way, and the connections."""
        if self._chores:
            await asyncio.wait(self._chores, timeout=PATIENCE * 4)
        await self._redis.aclose()
        await self._pool.disconnect()
        await self._table.close()


def _read(demands: Demands, answer: Sequence[bytes]) -> tuple[Taken, ...]:
    """What the script says. Raises Refused."""
    word = answer[0]
    if word == b"place":
        raise Refused("concurrent requests", demands.places[int(answer[1]) - 1].limit, 1000)
    before = tuple(Taken(meter, float(used)) for meter, used in zip(demands.meters, answer[1:], strict=True))
    if word == b"over":
        over = [each for each in before if each.used + each.meter.least > each.meter.limit + 1e-6]
        worst = max(over, key=lambda each: each.wait_ms)
        raise Refused(worst.meter.kind, worst.meter.limit, worst.wait_ms, before)
    return tuple(Taken(each.meter, each.used + each.meter.cost) for each in before)
