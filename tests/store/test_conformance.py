"""One suite for the store, the state and the ledger over SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from isthmus.v1 import billing_pb2

from core.errors import Conflict, InsufficientQuota, InvalidRequest, RecordNotFound
from core.ledger.interface import Draws
from core.ledger.ledger import open_ledger
from core.settings import CoreSettings
from core.state.state import State
from core.store.database import Database
from core.store.logs import Asked
from core.store.responses import Turn
from core.store.store import Store
from tests.servers.databases import KINDS, dsn_of, empty

SECRET = "a" * 48


@pytest.fixture(scope="module", params=KINDS)
def dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    with dsn_of(request.param) as found:
        yield found


@pytest.fixture
async def settings(dsn: str, tmp_path: Path) -> CoreSettings:
    return CoreSettings(data=tmp_path, sql_dsn=dsn)


@pytest.fixture
async def store(settings: CoreSettings) -> AsyncIterator[Store]:
    database = await Database.open(settings)
    await database.migrate()
    await database.migrate()
    await empty(database)
    yield Store(database, settings)
    await database.close()


async def test_accounts(store: Store) -> None:
    made = await store.accounts.create("ada", "hash", granted=500)
    assert (await store.accounts.find_by_name("ada")).id == made.id
    with pytest.raises(Conflict):
        await store.accounts.create("ada", "hash")
    assert (await store.accounts.list("ad"))[1] == 1
    await store.accounts.update(made.id, group="vip")
    assert (await store.accounts.get(made.id)).group == "vip"
    await store.accounts.delete(made.id)
    with pytest.raises(RecordNotFound):
        await store.accounts.get(made.id)


async def test_the_first_administrator_exists_once(store: Store) -> None:
    results = await asyncio.gather(
        *(store.accounts.set_up(f"root{number}", "hash", 100, "test") for number in range(4)), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 1


async def test_a_revoked_key_stops_within_a_second_everywhere(store: Store, settings: CoreSettings) -> None:
    user = await store.accounts.create("ada", "hash")
    token = await store.keys.create(user.id, SECRET, 100)
    states = [await State.open(store, settings) for _ in range(2)]
    try:
        for state in states:
            assert (await state.find_key(SECRET)) is not None
        await store.keys.update(token.id, user.id, status=2)
        deadline = time.monotonic() + 1
        for state in states:
            while (found := await state.find_key(SECRET)) is None or found[1].status != 2:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
    finally:
        for state in states:
            await state.close()


async def test_what_other_programs_write_is_seen(store: Store, settings: CoreSettings) -> None:
    """SYNC_FREQUENCY: changes that are in no feed are read every so often; without it they wait for a restart."""
    states = [await State.open(store, replace(settings, full_sync_seconds=seconds)) for seconds in (0.05, 0.0)]
    try:
        sql = """INSERT INTO options ("key", value) VALUES ('SystemName', 'By hand')"""
        await store.database.write(lambda: store.database.execute_count(sql))
        deadline = time.monotonic() + 20
        while states[0].snapshot.options.raw["SystemName"] != "By hand":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        await states[1].refresh()
        assert states[1].snapshot.options.raw["SystemName"] != "By hand"
    finally:
        for state in states:
            await state.close()


async def test_channels_and_their_keys(store: Store, settings: CoreSettings) -> None:
    fields = {"type": 1000, "name": "c", "key": "k1\nk2", "models": "m,n", "base_url": "http://127.0.0.1:1"}
    info = '{"is_multi_key": true, "multi_key_size": 2, "multi_key_mode": "random"}'
    (row,) = await store.channels.create([{**fields, "channel_info": info}])
    state = await State.open(store, settings)
    try:
        assert [key.secret for key in state.snapshot.channels[row.id].keys] == ["k1", "k2"]
        await store.channels.set_status(row.id, 3, key_index=0, reason="401")
        await state.refresh()
        assert [key.index for key in state.snapshot.channels[row.id].keys] == [1]
        await store.channels.set_status(row.id, 3, key_index=1, reason="401")
        await state.refresh()
        assert row.id not in state.snapshot.channels
        assert "n" not in state.snapshot.abilities.get("default", {})
        await store.channels.set_status(row.id, 1, key_index=1)
        await state.refresh()
        assert [key.index for key in state.snapshot.channels[row.id].keys] == [1]
    finally:
        await state.close()


async def test_a_broken_channel_does_not_stop_the_start(store: Store, settings: CoreSettings) -> None:
    fields = {"type": 1000, "name": "c", "key": "k", "models": "m", "base_url": "http://127.0.0.1:1"}
    (row,) = await store.channels.create([{**fields, "channel_info": "not json", "model_mapping": "["}])
    state = await State.open(store, settings)
    assert state.snapshot.channels[row.id].defect
    await state.close()


async def test_ledger_settles_to_the_unit(store: Store, settings: CoreSettings) -> None:
    user = await store.accounts.create("ada", "hash", granted=1000)
    ledger = await open_ledger(store.database, settings)
    draws = Draws((), (user.purse_id,))
    for number in range(10):
        hold = await ledger.reserve(f"r{number}", draws, 50)
        receipt = billing_pb2.Receipt(
            request_id=f"r{number}", account_id=user.id, kind=billing_pb2.RECEIPT_KIND_CONSUME
        )
        ledger.settle(hold, 30, receipt)
    with pytest.raises(InsufficientQuota):
        await ledger.reserve("too much", draws, 701)
    await ledger.flush()
    await ledger.adjust(user.purse_id, 500)
    assert (await ledger.set_remaining(user.purse_id, 900)).granted == 1200
    await ledger.close()
    found = await store.logs.list(Asked({"type": 2}))
    assert found.total == 10
    assert sum(row.quota for row in found.rows) == 300
    summed = await store.statistics.usage(billing_pb2.USAGE_BY_MODEL)
    assert [(row["requests"], row["quota"]) for row in summed] == [(10, 300)]
    purse = (
        await store.database.read(lambda: store.database.execute("SELECT available, leased, settled FROM purses"))
    )[0]
    assert tuple(purse) == (900, 0, 300)
    assert (await store.accounts.get(user.id)).used_quota == 300


async def test_the_number_of_keys_holds_under_races(store: Store) -> None:
    user = await store.accounts.create("ada", "hash")
    made = await asyncio.gather(
        *(store.keys.create(user.id, f"{number:048d}", 0, 3) for number in range(12)), return_exceptions=True
    )
    refused = [found for found in made if isinstance(found, BaseException)]
    assert all(isinstance(found, InvalidRequest) for found in refused), refused
    assert len(refused) == 9
    assert (await store.keys.list(user.id))[1] == 3
    # Another account has its own number, and a deleted key makes room.
    other = await store.accounts.create("bob", "hash")
    await store.keys.create(other.id, "b" * 48, 0, 1)
    kept = next(found for found in made if not isinstance(found, BaseException))
    await store.keys.delete([kept.id], user.id)
    await store.keys.create(user.id, "c" * 48, 0, 3)
    with pytest.raises(InvalidRequest):
        await store.keys.create(user.id, "d" * 48, 0, 0)


async def test_only_enabled_keys_become_exhausted(store: Store) -> None:
    user = await store.accounts.create("ada", "hash")
    key = await store.keys.create(user.id, SECRET, 0)
    seen = await store.changes.newest()
    await store.keys.exhaust(key.id)
    assert (await store.keys.get(key.id)).status == 4
    assert len(await store.changes.since(seen)) == 1
    await store.keys.update(key.id, user.id, status=2)
    await store.keys.exhaust(key.id)
    assert (await store.keys.get(key.id)).status == 2


async def test_a_channel_follows_its_keys_but_not_against_a_person(store: Store) -> None:
    info = '{"is_multi_key": true, "multi_key_status_list": {"7": 3}}'
    row = {"name": "c", "models": "m", "key": "one\ntwo", "channel_info": info}
    (made,) = await store.channels.create([row])

    async def status() -> int:
        return int((await store.channels.get(made.id)).status)

    # Key 7 is long gone: it does not count.
    await store.channels.set_status(made.id, 3, key_index=0, reason="no")
    assert await status() == 1
    await store.channels.set_status(made.id, 3, key_index=1, reason="no")
    assert await status() == 3
    await store.channels.set_status(made.id, 1, key_index=0)
    assert await status() == 1
    await store.channels.set_status(made.id, 2)
    for index in (0, 1):
        await store.channels.set_status(made.id, 3, key_index=index, reason="late")
    await store.channels.set_status(made.id, 3, reason="late")
    assert await status() == 2
    await store.channels.enable_again(made.id)
    assert await status() == 2
    await store.channels.set_status(made.id, 1)
    await store.channels.set_status(made.id, 3, reason="down")
    await store.channels.enable_again(made.id)
    assert await status() == 1


async def test_kept_answers(store: Store) -> None:
    kept = store.responses

    async def keep(*turns: Turn, most: int = 1 << 20, seconds: int = 3600) -> None:
        await kept.keep([(turn, kept.sealed(turn)) for turn in turns], seconds, most)

    async def ids(user: int, wanted: str, depth: int = 9, most: int = 1 << 20) -> list[str]:
        return [turn.response_id for turn in await kept.history(user, wanted, depth, most, 3600)]

    first = Turn(1, "resp_1", "", b'"Hello"', b'{"output": []}')
    second = Turn(1, "resp_2", "resp_1", b'"And?"', b"x" * 100_000)
    await keep(first, second, Turn(1, "resp_v", channel_id=7, key_index=2))
    # Said twice, the first stays; another account's is another.
    await keep(Turn(1, "resp_1", "", b'"forged"', b"{}"), Turn(2, "resp_1", "", b'"mine"', b"{}"))
    assert await kept.history(1, "resp_2", 9, 1 << 20, 3600) == [second, first]
    assert await ids(1, "resp_2", depth=1) == ["resp_2"]
    assert await ids(1, "resp_2", most=100_010) == ["resp_2"]
    assert await ids(2, "resp_2") == []
    assert (await kept.history(2, "resp_1", 9, 1 << 20, 3600))[0].input_json == b'"mine"'
    assert (await kept.history(1, "resp_v", 9, 1 << 20, 3600))[0].channel_id == 7
    assert not await kept.delete(2, "resp_2")
    assert await kept.delete(1, "resp_1")
    assert not await kept.delete(1, "resp_1")
    # What it follows is gone: the list says so by its last turn.
    assert await kept.history(1, "resp_2", 9, 1 << 20, 3600) == [second]
    # The oldest go first; what a vendor keeps counts nothing.
    await keep(Turn(1, "resp_3", "", b"1", b"x" * 60_000), most=100_000)
    assert await ids(1, "resp_2") == []
    assert await ids(1, "resp_3") == ["resp_3"]
    assert await ids(1, "resp_v") == ["resp_v"]
    # Those that ended are not found, and cleaned away by the way.
    await keep(Turn(3, "resp_4", "", b"1", b"2"), seconds=-1)
    assert await ids(3, "resp_4") == []
    kept._cleaned = 0
    await keep(Turn(3, "resp_5", "", b"1", b"2"))
    count = "SELECT count(*) FROM kept_responses WHERE user_id = 3"
    assert await store.database.read(lambda: store.database.execute(count)) == [(1,)]


async def test_a_kept_answer_that_is_used_lives_on(store: Store) -> None:
    kept = store.responses
    turn = Turn(1, "resp_1", "", b"1", b"2")
    await kept.keep([(turn, kept.sealed(turn))], 100, 1 << 20)
    ends = "SELECT expires_at FROM kept_responses"

    async def left() -> int:
        return int((await store.database.read(lambda: store.database.execute(ends)))[0][0]) - int(time.time())

    assert await left() <= 100
    await kept.history(1, "resp_1", 1, 1 << 20, 3600)
    assert await left() > 3000


async def test_an_erased_accounts_answers_go_with_it(store: Store) -> None:
    user = await store.accounts.create("ada", "hash")
    turn = Turn(int(user.id), "resp_1", "", b"1", b"2")
    await store.responses.keep([(turn, store.responses.sealed(turn))], 100, 1 << 20)
    await store.accounts.erase(user.id)
    assert await store.responses.history(int(user.id), "resp_1", 1, 1 << 20, 100) == []
