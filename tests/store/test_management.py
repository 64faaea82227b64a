"""What management asks of the store, over every database."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from typing import Any

import pytest
from isthmus.v1 import billing_pb2

from core.errors import Conflict, InsufficientQuota, InvalidRequest, RecordNotFound
from core.ledger import flush, purses
from core.ledger.record import NOTED, Record
from core.ledger.statistics import MEASURES
from core.settings import CoreSettings
from core.store.logs import Asked
from core.store.secrets import Vault
from core.store.store import Store
from tests.store.test_conformance import dsn, settings, store

__all__ = ["dsn", "settings", "store"]
SECRET = "s" * 48


async def add(store: Store, *, kind: int = billing_pb2.RECEIPT_KIND_CONSUME, **fields: object) -> None:
    """A line of a request, as a flush writes it: with what is summed up."""
    known: dict[str, object] = {
        "kind": kind, "account_id": 1, "username": "ada", "quota": 10, "model": "m", "group": "g", "key_name": "k",
        "settled_ms": time.time_ns() // 1_000_000, "request_id": uuid.uuid4().hex,
        "usage": {"input_tokens": 3, "output_tokens": 4, "cached_tokens": 2}, "attempts": [{"channel_id": 5}],
        "node": "here/0",
    }  # fmt: skip
    receipt = billing_pb2.Receipt(**{**known, **fields})  # type: ignore[arg-type]
    record = Record(NOTED, receipt.request_id, 0, (), receipt.SerializeToString())
    await store.database.write(flush.post_within, store.database, "none", [record])


async def total(store: Store, **equal: object) -> int:
    """How many lines a filter finds, told by the count and by the list alike."""
    found = await store.logs.list(Asked(equal), limit=500)
    assert len(found.rows) == found.total
    return found.total


async def test_log_filters_and_sums(store: Store) -> None:
    for name in ("gpt-4o", "gpt_4o", "100%", "back\\slash"):
        await add(store, model=name)
    for pattern, found in (
        ("gpt-4o", 1), ("gpt", 0), ("gpt%", 2), ("gpt_%", 1), ("GPT%", 2), ("100%", 1), ("back\\%", 1), ("%slash", 1),
    ):  # fmt: skip
        assert await total(store, model_name=pattern) == found, pattern
    for pattern in ("%%", "%a", "a%b%c%", "%"):
        with pytest.raises(InvalidRequest):
            await store.logs.list(Asked({"model_name": pattern}))
    now = int(time.time())
    assert await store.logs.sums(now, Asked({"user_id": 1})) == (40, 4, 28)
    assert await store.logs.sums(now, Asked({"user_id": 2})) == (0, 0, 0)
    assert await store.logs.sums(now, Asked(until=now - 60)) == (0, 4, 28)


@pytest.mark.parametrize("seed", range(2))
async def test_sums_of_any_filter_over_any_time_are_the_lines(store: Store, seed: int) -> None:
    """Hours are read from the sums, edges from lines: together they are what the lines alone would tell."""
    chance = random.Random(seed)
    now = int(time.time())
    lines = []
    for number in range(60):
        line: dict[str, Any] = {
            "user_id": (user := chance.randint(1, 3)), "username": f"user{user}", "token_id": (key := chance.randint(1, 3)),
            "token_name": f"key{key}", "model_name": chance.choice(("gpt-4o", "gpt-5", "claude")),
            "channel_id": chance.randint(1, 3), "group": chance.choice(("default", "vip")), "quota": chance.randint(0, 99),
            "created_at": now - chance.randint(0, 5 * 3600), "number": number,
        }  # fmt: skip
        lines.append(line)
        await add(
            store, account_id=line["user_id"], username=line["username"], key_id=key, key_name=line["token_name"],
            model=line["model_name"], group=line["group"], quota=line["quota"], settled_ms=line["created_at"] * 1000,
            attempts=[{"channel_id": 9}, {"channel_id": line["channel_id"]}],
        )  # fmt: skip
    await add(store, kind=billing_pb2.RECEIPT_KIND_ERROR, quota=0)
    columns = ("user_id", "username", "token_id", "token_name", "model_name", "channel_id", "group")
    for _ in range(60):
        some = chance.choice(lines)
        equal = {name: some[name] for name in chance.sample(columns, chance.randint(0, 4))}
        since, until = sorted(now - chance.randint(0, 6 * 3600) for _ in range(2))
        since, until = chance.choice(((since, until), (0, until), (since, 0), (0, 0)))
        matching = [
            line for line in lines
            if all(line[name] == value for name, value in equal.items())
            and line["created_at"] >= since and line["created_at"] <= (until or now)
        ]  # fmt: skip
        asked = Asked(equal, since=since, until=until)
        assert (await store.logs.sums(now, asked))[0] == sum(line["quota"] for line in matching), asked
        found = await store.logs.list(Asked({**equal, "type": 2}, since=since, until=until), limit=500)
        assert (len(found.rows), found.total) == (len(matching), len(matching)), asked
        order = [(row.created_at, row.id) for row in found.rows]
        assert order == sorted(order, reverse=True)


async def test_pages_by_cursor_are_the_whole_list(store: Store) -> None:
    at = time.time_ns() // 1_000_000
    for number in range(23):
        await add(store, settled_ms=at - number // 4 * 1000)
    whole = [row.id for row in (await store.logs.list(Asked(), limit=100)).rows]
    assert len(whole) == 23
    found: list[int] = []
    before = None
    while rows := await store.logs.page(Asked({"user_id": 1}, before=before), 5):
        found += [row.id for row in rows]
        before = (rows[-1].created_at, rows[-1].id)
    assert found == whole


async def test_names_of_old_find_their_lines(store: Store) -> None:
    """An account and a key that were renamed are found by both names, each with the lines that bear it."""
    user = await store.accounts.create("new-name", "h")
    await add(store, account_id=user.id, username="old-name", key_id=7)
    await add(store, account_id=user.id, username="new-name", key_id=7)
    assert [await total(store, username=name) for name in ("old-name", "new-name", "no-name")] == [1, 1, 0]
    assert await total(store, username="%-name") == 2
    assert await total(store, username="new-name", token_name="k") == 1
    assert [await total(store, token_name=name) for name in ("k", "other")] == [2, 0]


async def test_totals_are_capped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.store.logs.TOTAL_MOST", 5)
    for _ in range(7):
        await add(store)
    found = await store.logs.list(Asked(), offset=4, limit=10)
    assert (len(found.rows), found.total, found.capped) == (3, 5, True)
    assert not (await store.logs.list(Asked(), offset=5, limit=10)).rows
    found = await store.logs.list(Asked({"model_name": "other"}))
    assert (found.total, found.capped) == (0, False)


async def test_counts_by_several_filters_look_at_the_newest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many lines one filter finds: a count among them is bounded, says so, and lets one go on."""
    at = time.time_ns() // 1_000_000
    for number in range(12):
        await add(store, settled_ms=at - number * 1000, group="rare" if number in (1, 9, 10, 11) else "g")
    found = await store.logs.list(Asked({"user_id": 1, "group": "rare"}))
    assert (found.total, found.capped) == (4, False)
    monkeypatch.setattr("core.store.logs.CANDIDATES_MOST", 5)
    found = await store.logs.list(Asked({"user_id": 1, "group": "rare"}), limit=2)
    assert (len(found.rows), found.total, found.capped) == (2, 3, True), "a full page: at least one more"
    found = await store.logs.list(Asked({"user_id": 1, "group": "rare"}), offset=2, limit=10)
    assert (len(found.rows), found.total, found.capped) == (2, 4, True)
    found = await store.logs.list(Asked({"user_id": 1}))
    assert (found.total, found.capped) == (12, False), "one filter is counted by its index"


async def test_usage(store: Store) -> None:
    await add(store, key_id=1)
    await add(store, key_id=1)
    await add(store, key_id=2, quota=50, attempts=[])
    await add(store, kind=billing_pb2.RECEIPT_KIND_ERROR, quota=0)
    now = int(time.time())
    usage = store.statistics.usage
    (row,) = await usage(billing_pb2.USAGE_BY_MODEL, since=now - 3600)
    figures = ("model_name", "requests", "prompt_tokens", "completion_tokens", "cached_tokens", "quota")
    assert [row[name] for name in figures] == ["m", 3, 9, 12, 6, 70]
    assert row["created_at"] % 3600 == 0
    assert now - 3600 < row["created_at"] <= now
    (row,) = await usage(billing_pb2.USAGE_BY_ACCOUNT)
    assert (row["user_id"], row["username"]) == (1, "ada")
    for by, expected in (
        (billing_pb2.USAGE_BY_FLOW, [(2, 0, 50), (1, 5, 20)]),
        (billing_pb2.USAGE_BY_FLOW_AND_NODE, [(2, 0, 50), (1, 5, 20)]),
    ):
        rows = await usage(by)
        assert [(row["token_id"], row["channel_id"], row["quota"]) for row in rows] == expected
    assert {row["node_name"] for row in rows} == {"here"}
    rows = await usage(billing_pb2.USAGE_BY_CHANNEL, channel_id=5)
    assert [(row["channel_id"], row["quota"]) for row in rows] == [(5, 20)]
    assert await store.logs.delete_before(now - 60) == 0
    assert await store.logs.delete_before(now + 60) == 4
    assert await total(store) == 0
    assert (await usage(billing_pb2.USAGE_BY_MODEL))[0]["quota"] == 70, "what was charged outlives its lines"
    assert (await store.logs.sums(now, Asked()))[0] == 70


async def test_performance(store: Store) -> None:
    at = time.time_ns() // 1_000_000
    told = {"settled_ms": at, "stream": True, "first_byte_ms": 200, "duration_ms": 1200}
    await add(store, **told)
    await add(store, **told, ending=billing_pb2.ENDING_VENDOR_BROKE)
    await add(store, **told, ending=billing_pb2.ENDING_RECOVERED)
    for status in (400, 500):
        await add(store, kind=billing_pb2.RECEIPT_KIND_ERROR, fault={"http_status": status}, settled_ms=at)
    await add(store, settled_ms=at, duration_ms=500, first_byte_ms=-1)
    (row,) = await store.statistics.performance(0, 3600)
    measures = [int(row[name]) for name in MEASURES]
    assert measures == [4, 2, 1700, 200, 1, 8, 1500], "a wrong request and a crash tell nothing of the model"
    assert (row["model_name"], row["group"], row["bucket"]) == ("m", "g", at // 3_600_000 * 3600)
    await store.options.set_many({"perf_metrics_setting.bucket_time": "minute"})
    await add(store, settled_ms=at)
    assert len(await store.statistics.performance(0, 60)) == 1 + (at // 60_000 * 60 % 3600 != 0)
    await store.options.set_many({"perf_metrics_setting.enabled": "false"})
    await add(store, settled_ms=at)
    assert sum(row["request_count"] for row in await store.statistics.performance(0, 3600)) == 5
    assert await store.statistics.forget_performance(at // 1000 + 1) >= 1
    assert not await store.statistics.performance(0, 3600)


async def test_lists_of_accounts(store: Store) -> None:
    inviter = await store.accounts.create("inviter", "h")
    made = await store.accounts.create("50%_off", "h", inviter_id=inviter.id)
    gone = await store.accounts.create("gone", "h", inviter_id=inviter.id)
    await store.accounts.delete(gone.id)
    assert (await store.accounts.list("%"))[0] == [made]
    assert (await store.accounts.list("_"))[0] == [made]
    assert (await store.accounts.list(role=10))[1] == 0
    assert (await store.accounts.list(deleted=True))[0] == [gone]
    assert (await store.accounts.list(deleted=None))[1] == 3
    assert await store.accounts.invited([inviter.id, made.id]) == {inviter.id: 2}
    assert (await store.accounts.by_invitation(inviter.aff_code)) == inviter
    assert await store.accounts.by_invitation("") is None


async def test_rewards_of_invitations(store: Store) -> None:
    inviter = await store.accounts.create("inviter", "h", granted=5)
    made = [store.accounts.create(f"invited{turn}", "h", inviter_id=inviter.id, inviter_quota=10) for turn in range(4)]
    await asyncio.gather(*made)
    found = await asyncio.gather(
        *(store.invitations.transfer(inviter.id, 15) for _ in range(4)), return_exceptions=True
    )
    assert sorted(each for each in found if isinstance(each, int)) == [10, 25]
    assert sum(isinstance(each, InsufficientQuota) for each in found) == 2
    database = store.database
    wallet = await database.read(purses.read, database, inviter.purse_id)
    assert (wallet.granted, wallet.available) == (35, 35)
    kept = await database.read(purses.read_owned, database, billing_pb2.PURSE_KIND_INVITATION, [inviter.id, 999])
    purse = kept.pop(inviter.id)
    assert (purse.granted, purse.available, purse.settled, kept) == (40, 10, 30, {})
    await store.accounts.delete(inviter.id)
    await store.accounts.create("late", "h", inviter_id=inviter.id, inviter_quota=10)
    with pytest.raises(RecordNotFound):
        await store.invitations.transfer(inviter.id, 10)


async def test_erasing(store: Store) -> None:
    user = await store.accounts.create("ada", "hash")
    await store.keys.create(user.id, SECRET, 5)
    await store.accounts.erase(user.id)
    assert await store.keys.find(SECRET) is None
    assert (await store.accounts.list(deleted=None))[1] == 0
    for look in (store.accounts.any, store.accounts.get, store.accounts.erase):
        with pytest.raises(RecordNotFound):
            await look(user.id)
    again = await store.accounts.create("ada", "hash")
    assert again.id > user.id
    with pytest.raises(Conflict):
        await store.accounts.create("ada", "hash")


async def test_keys_of_one_account(store: Store) -> None:
    ada, bob = [await store.accounts.create(name, "h") for name in ("ada", "bob")]
    mine = await store.keys.create(ada.id, SECRET, 5, name="k_1")
    other = await store.keys.create(bob.id, "t" * 48, 5, name="k_1")
    assert [token.id for token in await store.keys.many([mine.id, other.id], ada.id)] == [mine.id]
    assert (await store.keys.list(ada.id, "k_1"))[1] == 1
    assert (await store.keys.list(ada.id, "kx1"))[1] == 0
    assert (await store.keys.list(ada.id, secret="t" * 48))[1] == 0
    assert await store.keys.delete([mine.id, other.id], ada.id) == 1
    assert (await store.keys.get(other.id)).user_id == bob.id


async def test_lists_of_channels(store: Store) -> None:
    fields = {"type": 1000, "models": "m,n", "base_url": "http://x", "group": "default"}
    rows = await store.channels.create(
        [
            {**fields, "name": "a", "key": "key-a", "priority": 1, "tag": "t"},
            {**fields, "name": "b", "key": "key-b\nkey-c", "priority": 2, "status": 3, "tag": "t"},
            {**fields, "name": "c%", "key": "key-d", "priority": 3, "type": 1, "tag": "u"},
        ]
    )
    a, b, c = (row.id for row in rows)

    async def ids(keyword: str = "", **more: object) -> list[int]:
        return [row.id for row in (await store.channels.list(keyword, **more))[0]]  # type: ignore[arg-type]

    assert await ids() == [c, b, a]
    assert await ids(sort_by="name", ascending=True) == [a, b, c]
    assert await ids(status=-1) == [b]
    assert await ids(model="n", status=1) == [c, a]
    assert await ids("%") == [c]
    assert await ids("nothing", among=await store.channels.holding("key-c")) == [b]
    assert await store.channels.holding("key") == []
    found, total, counts = await store.channels.list(by_tag=True, limit=1)
    assert ([row.id for row in found], total, counts) == ([b, a], 2, {1000: 2, 1: 1})
    assert await store.channels.update_many([], "t", {"weight": 7}) == 2
    assert await store.channels.update_many([c], "", {"tag": "t"}) == 1
    assert await store.channels.longest_models("t") == "m,n"
    assert list(await store.channels.disabled()) == [b]


async def test_keys_of_one_channel(store: Store) -> None:
    (row,) = await store.channels.create([{"type": 1000, "name": "a", "key": "1\n2\n3", "models": "m"}])

    def drop(keys: list[str], info: dict[str, object]) -> int:
        keys.remove("2")
        info["multi_key_size"] = len(keys)
        return 1

    assert await store.channels.change_keys(row.id, drop) == 1
    assert (await store.channels.get(row.id)).key == "1\n3"
    with pytest.raises(RecordNotFound):
        await store.channels.change_keys(row.id + 1, drop)


async def test_a_code_gives_once(store: Store) -> None:
    user = await store.accounts.create("ada", "h")
    (code,) = await store.redemptions.create(1, name="n", quota=40)
    results = await asyncio.gather(*(store.redemptions.redeem(code, user.id) for _ in range(8)), return_exceptions=True)
    assert sorted(str(result) for result in results) == ["40", *["The code is not valid."] * 7]
    held = await store.database.read(lambda: purses.read(store.database, user.purse_id))
    assert (held.granted, held.available) == (40, 40)
    assert await total(store, type=1) == 1
    with pytest.raises(RecordNotFound):
        await store.redemptions.update((await store.redemptions.list("n"))[0][0].id, quota=80)


async def test_codes_pay_debts_first(store: Store) -> None:
    user = await store.accounts.create("ada", "h")
    await store.database.write(
        lambda: store.database.execute_count("UPDATE purses SET debt = 30, settled = 30 WHERE id = ?", (user.purse_id,))
    )
    codes = await store.redemptions.create(2, name="n", quota=20)
    for code in codes:
        await store.redemptions.redeem(code, user.id)
    held = await store.database.read(lambda: purses.read(store.database, user.purse_id))
    assert (held.debt, held.available, held.granted) == (0, 10, 40)


async def test_values_no_column_holds_are_the_askers_fault(store: Store) -> None:
    """PostgreSQL's ids have 32 bits, and its texts no NUL: that is a refusal, not a failure."""
    for look in (store.accounts.get, store.accounts.any, store.channels.get, store.keys.get, store.redemptions.get):
        with pytest.raises((RecordNotFound, InvalidRequest)):
            await look(1 << 40)
    with pytest.raises((RecordNotFound, InvalidRequest)):
        await store.channels.update(1 << 40, name="x")
    if store.database.kind == "postgres":
        with pytest.raises(InvalidRequest):
            await store.accounts.create("nul\0", "h")
    await store.accounts.create("still works", "h")


async def test_secret_options_are_sealed(store: Store) -> None:
    """At rest no secret stands in clear; one that an import left in clear is read all the same."""
    written = {"GitHubClientSecret": SECRET, "SMTPToken": "", "SystemName": "Mine"}
    await store.options.set_many(written)
    rows = dict(await store.database.read(lambda: store.database.execute('SELECT "key", value FROM options')))
    assert SECRET not in str(rows)
    assert rows["SystemName"] == "Mine"
    assert await store.options.all() == written
    await store.database.write(
        lambda: store.database.execute("""UPDATE options SET value = 'plain' WHERE "key" = 'GitHubClientSecret'""")
    )
    assert (await store.options.all())["GitHubClientSecret"] == "plain"
    await store.options.set_many({"GitHubClientSecret": SECRET})
    store.options._vault = Vault(CoreSettings(crypto_secret="another", session_secret="another"))
    assert (await store.options.all())["GitHubClientSecret"] == "", "another CRYPTO_SECRET: the site still starts"
