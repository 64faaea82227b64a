"""A database of New API in each of its engines is taken over: everything that is there is here, to the unit, once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from isthmus.v1 import billing_pb2

from core.errors import Conflict
from core.ledger import purses
from core.settings import CoreSettings
from core.state.state import State
from core.store.database import Database
from core.store.logs import Asked
from core.store.models import (
    Channel,
    CheckIn,
    CustomProvider,
    Log,
    ModelRow,
    Order,
    PrefillGroup,
    Redemption,
    Token,
    TwoFactor,
    User,
    VendorRow,
)
from core.store.passwords import verify_password
from core.store.store import Store
from core.takeover.report import Report
from core.takeover.source import NotNewApi, Source
from core.takeover.takeover import Takeover
from core.takeover.target import Target
from tests.servers.databases import KINDS, dsn_of, empty
from tests.takeover import newapi

ENGINES = {"sqlite": "sqlite", "postgres": "postgres", "mariadb": "mysql"}


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    with dsn_of(request.param) as dsn:
        yield ENGINES[request.param], dsn


@pytest.fixture(scope="module")
def old(server: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where New API's database is."""
    kind, dsn = server
    if kind == "sqlite":
        return newapi.make_sqlite(tmp_path_factory.mktemp("old") / "one-api.db", newapi.rows())
    return {"mysql": newapi.make_mysql, "postgres": newapi.make_postgres}[kind](dsn, newapi.rows())


@pytest.fixture
async def store(server: tuple[str, str], tmp_path: Path) -> AsyncIterator[Store]:
    """Ours, in the same engine."""
    settings = CoreSettings(data=tmp_path, sql_dsn=server[1])
    database = await Database.open(settings)
    await database.migrate()
    await empty(database)
    yield Store(database, settings)
    await database.close()


async def take(old: str, store: Store, **how: Any) -> Report:
    source = await Source.open(old)
    try:
        return await Takeover(source, store, **how).run()
    finally:
        await source.close()


async def counts(store: Store) -> dict[str, int]:
    tables = (User, Token, Channel, Redemption, TwoFactor, Log)
    return await store.database.read(lambda: {table.__name__: table.select().count() for table in tables})


async def test_everything_is_there_to_the_unit(old: str, store: Store, tmp_path: Path) -> None:
    report = await take(old, store, logs=True)
    assert report.balanced, report.lines()
    assert report.units_there == 100_000_000 + 2_147_483_647 - 500 + 9 + 0 + 5_000_000 + 0 + 10 - 40
    users = await store.database.read(lambda: {row.id: row for row in User.select()})
    assert sorted(users) == [1, 2, 3, 4, 7]
    for row in newapi.rows()["users"]:
        user = users[row["id"]]
        purse = await store.database.read(purses.read, store.database, user.purse_id)
        assert purse.remaining - purse.debt == row["quota"], user.username
        assert purse.settled >= row["used_quota"]
        assert user.used_quota == row["used_quota"]
    assert (users[2].display_name, users[2].request_count, users[3].inviter_id) == ("Ada ❤", 77, 2)
    assert (await verify_password(users[2].password, newapi.PASSWORD)) == (True, True), "right, and to be hashed anew"
    assert (await store.accounts.find_by_access_token(newapi.ACCESS_TOKEN)).id == 1
    assert users[4].deleted_at == int(newapi.WHEN.timestamp())
    assert (users[7].role, users[7].status) == (1, 2)
    assert len(users[7].aff_code) == 16
    owned = await store.database.read(purses.read_owned, store.database, billing_pb2.PURSE_KIND_INVITATION, (1, 2))
    assert {owner: (purse.available, purse.settled) for owner, purse in owned.items()} == {2: (30, 70)}
    assert await store.accounts.is_set_up()
    with pytest.raises(Conflict):
        await store.accounts.set_up("another", "hash", 0, "test")

    settings = CoreSettings(data=tmp_path)
    state = await State.open(store, settings)
    try:
        found = await state.find_key(newapi.KEY)
        assert found is not None
        account, key = found
        assert (account.id, key.id, key.models, len(key.networks)) == (2, 1, {"gpt-4o", "gpt-4o-mini"}, 2)
        purse = await store.database.read(purses.read, store.database, key.purse_id)
        assert (purse.available, purse.settled) == (5_000_000, 321)
        assert (await state.find_key(newapi.SPENT_KEY))[1].status == 4  # type: ignore[index]
        for secret in (newapi.ORPHAN_KEY, newapi.GONE_KEY):
            assert await state.find_key(secret) is None
        channels = state.snapshot.channels
        assert sorted(channels) == [3, 10]
        assert channels[3].keys[0].secret == "sk-vendor"
        assert channels[3].model_mapping == {"gpt-4o-mini": "gpt-4o"}
        assert channels[10].defect
        assert state.snapshot.options.raw["SystemName"] == "Old Site"
        assert state.snapshot.options.raw["GitHubClientSecret"] == "github-secret"
        assert "gpt-4o" in state.snapshot.abilities["default"]
    finally:
        await state.close()
    many = await store.channels.get(9)
    assert (many.key, many.status, many.tag) == ("k1\nk2", 3, "t")
    assert '"multi_key_status_list"' in many.channel_info
    assert await store.redemptions.redeem(newapi.CODE, 2) == 700
    standing = await store.two_factor.standing(3)
    assert standing.enabled
    assert await store.identities.of([2, 3]) == {2: {"github": "4711", "linuxdo": "12", "custom:3": "ada-at-acme"}}
    assert users[2].stripe_customer == "cus_1"
    provider = await store.database.read(lambda: CustomProvider.select().get())
    assert (provider.id, provider.slug, provider.enabled, provider.auth_style) == (3, "acme", True, 1)
    assert store.vault.decrypt(provider.client_secret) == "acme-secret"
    assert provider.created_at == int(newapi.WHEN.timestamp())
    plain = await store.database.read(
        lambda: (
            [(row.id, row.user_id, row.checkin_date, row.quota_awarded) for row in CheckIn.select()],
            [(row.id, row.name, row.icon) for row in VendorRow.select()],
            [(row.id, row.vendor_id, row.endpoints, row.deleted_at) for row in ModelRow.select().order_by(ModelRow.id)],
            [row.items for row in PrefillGroup.select()],
            [(row.id, row.trade_no, float(row.money), row.status) for row in Order.select().order_by(Order.id)],
        )
    )
    when = int(newapi.WHEN.timestamp())
    assert plain == (
        [(5, 2, "2025-03-04", 77)], [(2, "OpenAI", "OpenAI.Color")], [(6, 2, '["openai"]', 0), (7, 0, "", when)],
        ['["gpt-4o"]'], [(1, "t1", 36.5, "success"), (2, "t2", 7.3, "expired")],
    )  # fmt: skip
    passkey = await store.passkeys.find(b"\x00\x01\x02\xff")
    assert passkey is not None
    assert (passkey.user_id, passkey.sign_count, passkey.user_verified) == (2, 5, True)
    assert passkey.aa_guid == "adce0002-35bc-c60a-648b-0b25f1f05503"
    assert (await store.logs.list(Asked({"type": 2}))).total == 450
    assert (await store.logs.sums(0, Asked({"user_id": 2})))[0] == sum(range(1, 451)), "sums by hour, too"
    reasons = await store.logs.list(Asked({"type": 4, "user_id": 2}))
    assert [line.content for line in reasons.rows] == ["took over 2147483647 units, 1234567 used before, from New API"]
    # Numbers go on behind those that came.
    made = await store.accounts.create("new", "hash")
    assert made.id > 7
    assert (await store.keys.create(2, "n" * 48, 0)).id > 6


async def test_the_report_names_what_was_changed_and_what_stays(old: str, store: Store) -> None:
    text = "\n".join((await take(old, store)).lines())
    for told in (
        "users: 5 rows, 5 taken",
        "changed: role is none of 1, 10, 100: a disabled user (7)",
        "tokens: 5 rows, 4 taken, 1 left",
        "left: its account is not there (3)",
        "changed: deleted, as its account is (5)",
        "changed: type 777 is not served here yet: requests to it are refused (10)",
        "changed: param_override is not JSON: the channel is refused until it is put right (10)",
        "options: 5 rows, 3 taken, 2 left",
        "left: not known here (InvitationCodeOfAFork)",
        "left: its setup was not finished (2)",
        "left: table midjourneys, 1 rows",
        "changed: who it is at github is another account already (3)",
        "changed: was pending, and is expired now (2)",
        "left: table logs, 450 rows",
        "left: table two_fa_backup_codes, 1 rows",
        "left: users.shade",
        "there, 2252483126 here: the same",
    ):
        assert told in text, text
    assert "RetryTimes" in text
    for secret in (newapi.KEY, "github-secret", "acme-secret", newapi.HASH, newapi.SEED, "sk-vendor"):
        assert secret not in text


async def test_a_dry_run_tells_the_same_and_writes_nothing(old: str, store: Store) -> None:
    dry = await take(old, store, dry=True, logs=True)
    assert set((await counts(store)).values()) == {0}
    assert await store.options.all() == {}
    real = await take(old, store, logs=True)
    assert {name: (part.taken, part.left) for name, part in dry.tables.items()} == {
        name: (part.taken, part.left) for name, part in real.tables.items()
    }
    assert dry.units_there == real.units_there


async def test_once_more_takes_nothing_twice(old: str, store: Store) -> None:
    await take(old, store, logs=True)
    before = await counts(store)
    user = await store.accounts.get(2)
    await store.accounts.update(2, group="vip")
    again = await take(old, store, logs=True)
    assert await counts(store) == before
    assert again.units_there == 0
    for name in ("users", "channels", "redemptions"):
        assert (again.tables[name].taken, again.tables[name].before) == (0, again.tables[name].rows)
    assert again.tables["logs"].before == 450
    assert (await store.accounts.get(2)).group == "vip", "what was changed here since stays"
    assert (await store.accounts.get(2)).purse_id == user.purse_id


async def test_cut_off_anywhere_it_goes_on(old: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ended before each of its transactions in turn, it is run again: the end is the same."""
    whole, write, lines = None, Target.write, Target.logs
    for cut in range(8):
        await empty(store.database)
        done = 0

        async def counted(*given: Any, at: int = cut, real: Any = None) -> Any:
            nonlocal done
            done += 1
            if done > at:
                raise asyncio.CancelledError
            return await real(*given)

        monkeypatch.setattr(Target, "write", lambda *given: counted(*given, real=write))
        monkeypatch.setattr(Target, "logs", lambda *given: counted(*given, real=lines))
        with pytest.raises(asyncio.CancelledError):
            await take(old, store, logs=True)
        monkeypatch.setattr(Target, "write", write)
        monkeypatch.setattr(Target, "logs", lines)
        report = await take(old, store, logs=True)
        assert report.balanced
        found = await counts(store)
        whole = whole or found
        assert found == whole, cut
        assert found["Log"] == 450 + 5


async def test_two_rows_of_one_name_the_second_stays(store: Store, tmp_path: Path) -> None:
    """Tables altered by hand hold what a unique index would refuse; the rest of the page is taken."""
    data = newapi.rows()
    data["tokens"].append({**data["tokens"][0], "id": 20, "key": "sk-" + newapi.KEY, "remain_quota": 5})
    data["users"].append({**data["users"][1], "id": 21, "aff_code": "BBBB", "access_token": None})
    data["users"].append({**data["users"][1], "id": 22, "username": "", "aff_code": "EEEE"})
    data["users"].append({**data["users"][1], "id": 23, "username": "huge", "quota": 1 << 70})
    data["tokens"].append({**data["tokens"][1], "id": 24, "key": "h" * 48, "user_id": 23})
    for column in ("quota",):
        for row in data["users"]:
            row[column] = str(row[column])
    report = await take(newapi.make_sqlite(tmp_path / "odd.db", data), store)
    assert report.balanced
    left = {name: dict(part.left) for name, part in report.tables.items() if part.left}
    same = "another row has the same name, key or number"
    assert left["users"] == {same: ["21"], "it has no username": ["22"], f"{1 << 70} has more than 64 bits": ["23"]}
    assert left["tokens"] == {same: ["20"], "its account is not there": ["3", "24"]}


async def test_what_changed_there_since_is_told(store: Store, tmp_path: Path) -> None:
    path = newapi.make_sqlite(tmp_path / "one-api.db", newapi.rows())
    await take(path, store)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE users SET quota = 5 WHERE id = 2")
        database.execute("INSERT INTO users (id, username, role, status, quota) VALUES (30, 'late', 1, 1, 12)")
    report = await take(path, store)
    assert dict(report.tables["users"].left) == {"changed there since it was taken: what is here stays": ["2"]}
    assert (report.tables["users"].taken, report.units_there, report.units_here) == (1, 12, 12)


async def test_accounts_of_its_own_are_not_mixed_in(old: str, store: Store) -> None:
    await store.accounts.create("mine", "hash")
    with pytest.raises(Conflict, match="accounts of its own"):
        await take(old, store)
    assert (await counts(store))["User"] == 1


async def test_what_is_no_database_of_new_api_is_refused(tmp_path: Path) -> None:
    empty_file = tmp_path / "empty.db"
    sqlite3.connect(empty_file).close()
    with pytest.raises(NotNewApi, match="no table"):
        await Source.open(str(empty_file))
    with pytest.raises(ValueError, match="no file"):
        await Source.open(str(tmp_path / "nothing.db"))
    assert not (tmp_path / "nothing.db").exists()
    one_api = tmp_path / "one.db"
    with closing(sqlite3.connect(one_api)) as database, database:
        for name in ("users", "options", "abilities"):
            database.execute(f"CREATE TABLE {name} (id integer)")
        database.execute("CREATE TABLE tokens (id integer, subnet text)")
        database.execute("CREATE TABLE channels (id integer, config text)")
    with pytest.raises(NotNewApi, match="One API"):
        await Source.open(str(one_api))
