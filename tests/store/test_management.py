"""What management asks of the store, over every database."""

from __future__ import annotations

import asyncio
import time

import pytest
from isthmus.v1 import billing_pb2

from core.errors import Conflict, InsufficientQuota, InvalidRequest, RecordNotFound
from core.ledger import purses
from core.settings import CoreSettings
from core.store.secrets import Vault
from core.store.store import Store
from tests.store.test_conformance import dsn, settings, store

__all__ = ["dsn", "settings", "store"]
SECRET = "s" * 48


async def add(store: Store, **fields: object) -> None:
    """A line of a request."""
    known = {"prompt_tokens": 3, "completion_tokens": 4, "quota": 10, "model_name": "m", "channel_id": 5, "group": "g"}
    await store.logs.add(2, 1, "ada", "", **{**known, **fields})


async def test_log_filters_and_sums(store: Store) -> None:
    for name in ("gpt-4o", "gpt_4o", "100%", "back\\slash"):
        await add(store, model_name=name)
    for pattern, found in (
        ("gpt-4o", 1), ("gpt", 0), ("gpt%", 2), ("gpt_%", 1), ("GPT%", 2), ("100%", 1), ("back\\%", 1), ("%slash", 1),
    ):  # fmt: skip
        assert (await store.logs.list(model_name=pattern))[1] == found, pattern
    for pattern in ("%%", "%a", "a%b%c%", "%"):
        with pytest.raises(InvalidRequest):
            await store.logs.list(model_name=pattern)
    now = int(time.time())
    assert await store.logs.sums(now, user_id=1) == (40, 4, 28)
    assert await store.logs.sums(now, user_id=2) == (0, 0, 0)
    assert await store.logs.sums(now, until=now - 60) == (0, 4, 28)


async def test_usage(store: Store) -> None:
    await add(store, token_id=1)
    await add(store, token_id=1)
    await add(store, token_id=2, quota=50)
    now = int(time.time())
    (row,) = await store.logs.usage(billing_pb2.USAGE_BY_MODEL, since=now - 3600)
    assert (row["model_name"], row["count"], row["tokens"], row["quota"]) == ("m", 3, 21, 70)
    assert row["hour"] % 3600 == 0
    assert now - 3600 < row["hour"] <= now
    (row,) = await store.logs.usage(billing_pb2.USAGE_BY_ACCOUNT)
    assert (row["user_id"], row["username"]) == (1, "ada")
    rows = await store.logs.usage(billing_pb2.USAGE_BY_FLOW)
    assert [(row["token_id"], row["quota"]) for row in rows] == [(2, 50), (1, 20)]
    assert await store.logs.delete_before(now - 60) == 0
    assert await store.logs.delete_before(now + 60) == 3
    assert (await store.logs.list())[1] == 0


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
    assert (await store.logs.list(type=1))[1] == 1
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
