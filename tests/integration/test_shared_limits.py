"""Two nodes with one database and one Redis: a key's limits are one; without Redis requests go on."""

from __future__ import annotations

import collections
from pathlib import Path

from tests.integration.house import house, serve
from tests.servers.postgres import postgres
from tests.servers.redis import redis_server

SECRETS = {"SESSION_SECRET": "one for both nodes", "CRYPTO_SECRET": "and another for both"}


def test_nodes_share_a_keys_limits(tmp_path: Path) -> None:
    with postgres() as dsn, redis_server() as redis:
        environ = {**SECRETS, "SQL_DSN": dsn, "REDIS_CONN_STRING": redis.address}
        with (
            house(tmp_path / "a", environ={**environ, "NODE_NAME": "a"}) as first,
            serve(tmp_path / "b", environ={**environ, "NODE_NAME": "b"}) as second,
        ):
            first.workers = 2
            first.add_channel()
            _, limited = first.add_key(limits={"requests_per_minute": 6, "concurrency": 4})
            _, free = first.add_key()
            first.spread()
            statuses = [(first, second)[number % 2].chat(limited).status for number in range(10)]
            # A unit comes back every 10 s: the machine may be slow.
            assert 6 <= collections.Counter(statuses)[200] <= 8, statuses
            redis.stop()
            _, another = first.add_key(limits={"requests_per_minute": 2})
            first.spread()
            for node in (first, second):
                assert node.chat(free).status == 200
                assert [node.chat(another).status for _ in range(2)] == [200, 200], "each counts for itself"
            redis.start()
