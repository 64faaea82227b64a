"""MySQL and MariaDB alone: SQL put into their form, addresses, modes, deadlocks, connections that are lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from peewee import IntegrityError, OperationalError

from core.settings import CoreSettings
from core.store import mysql
from core.store.database import Database, Unstorable
from core.store.dsn import Dsn, parse
from core.store.models import Proof, User
from core.store.store import Store
from tests.servers.databases import empty
from tests.servers.mariadb import NAME, PASSWORD, USER, Server, mariadb_server


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("postgres://u:p%40@db:5433/n", Dsn("postgres", "n", "u", "p@", "db", 5433)),
        ("postgresql://db", Dsn("postgres", "postgres", "postgres", "", "db", 5432)),
        ("mysql://u:p%2Fw@db/n", Dsn("mysql", "n", "u", "p/w", "db", 3306)),
        ("mariadb://u@[::1]:3307/n?tls=true", Dsn("mysql", "n", "u", "", "::1", 3307, "", "true")),
        ("mysql://u:p@h/n?socket=/run/m.sock", Dsn("mysql", "n", "u", "p", "h", 3306, "/run/m.sock")),
        ("root:123456@tcp(localhost:3306)/oneapi", Dsn("mysql", "oneapi", "root", "123456", "localhost", 3306)),
        # A password with all that separates: the last @ before the address counts.
        ("u:p@ss:w/d@tcp(db)/n?parseTime=true&tls=skip-verify", Dsn("mysql", "n", "u", "p@ss:w/d", "db", 3306, "", "skip-verify")),
        ("u:p@tcp([fe80::1]:33)/n", Dsn("mysql", "n", "u", "p", "fe80::1", 33)),
        ("u:p@tcp([fe80::1])/n", Dsn("mysql", "n", "u", "p", "fe80::1", 3306)),
        ("u:p@unix(/run/mysqld/mysqld.sock)/n", Dsn("mysql", "n", "u", "p", "127.0.0.1", 3306, "/run/mysqld/mysqld.sock")),
        ("u:p@/n", Dsn("mysql", "n", "u", "p", "127.0.0.1", 3306)),
    ],
)  # fmt: skip
def test_addresses(text: str, wanted: Dsn) -> None:
    assert parse(text) == wanted
    assert "very-secret" not in repr(replace(wanted, password="very-secret"))


@pytest.mark.parametrize(
    "text",
    ["u:very-secret@db/n", "sqlite://x", "mysql://u:very-secret@db", "mysql://u:very-secret@db:port/n",
     "u:very-secret@tcp(db:x)/n", "u:very-secret@tcp(db:1)/", "mysql://u:very-secret@db/n?tls=maybe", ""],
)  # fmt: skip
def test_addresses_that_are_none_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="SQL_DSN") as refused:
        parse(text)
    assert "very-secret" not in str(refused.value)


def test_sql_is_put_into_its_form() -> None:
    assert (
        mysql.translate("INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (a, b) DO NOTHING")
        == "INSERT INTO t (a, b) VALUES (?, ?) ON DUPLICATE KEY UPDATE a = a"
    )
    assert (
        mysql.translate("INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET n = t.n + excluded.n, m = 1")
        == "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE n = t.n + VALUES(n), m = 1"
    )
    assert mysql.translate("SELECT 1") == "SELECT 1"
    made = mysql.translate_definition("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT NOT NULL, b BLOB)")
    assert made.startswith("CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, a LONGTEXT NOT NULL, b LONGBLOB)")
    assert "utf8mb4_bin" in made
    added = mysql.translate_definition("ALTER TABLE t ADD COLUMN text_of TEXT NOT NULL DEFAULT ''")
    assert added == "ALTER TABLE t ADD COLUMN text_of LONGTEXT NOT NULL DEFAULT ('')"
    assert mysql.translate_definition("UPDATE t SET a = 'TEXT'") == "UPDATE t SET a = 'TEXT'"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with mariadb_server() as found:
        yield found


@pytest.fixture
async def store(server: Server, tmp_path: Path) -> AsyncIterator[Store]:
    settings = CoreSettings(data=tmp_path, sql_dsn=server.go_dsn)
    database = await Database.open(settings)
    await database.migrate()
    await empty(database)
    yield Store(database, settings)
    await database.close()


async def test_values_are_kept_as_they_are_or_refused(store: Store) -> None:
    database = store.database
    largest = 2**63 - 1
    text = "😀 %s \\ ' \" \x1a ä" + "x" * 70_000
    made = await store.accounts.create("Ada", "hash", setting=text, used_quota=largest)
    found = await store.accounts.get(made.id)
    assert (found.setting, found.used_quota) == (text, largest)
    # Another name, though the server's own comparison would call it the same.
    await store.accounts.create("ada", "hash")
    assert (await store.accounts.find_by_name("ADA")) is None
    assert (await store.accounts.list("ADA"))[1] == 2, "searching does not mind the case"
    with pytest.raises(Unstorable):
        await store.accounts.create("b", "hash", group="g" * 65)
    with pytest.raises(Unstorable):
        await store.accounts.create("c", "hash", used_quota=largest + 1)
    balance = 123456789.123456
    await database.write(lambda: database.execute_count("INSERT INTO channels (type, status, name, weight, created_time,"
        " test_time, response_time, balance, used_quota, priority, auto_ban, tag, remark, \"key\", open_ai_organization,"
        " test_model, base_url, other, models, \"group\", model_mapping, status_code_mapping, other_info, setting,"
        " settings, param_override, header_override, channel_info)"
        " VALUES (1, 1, 'n', 0, 0, 0, 0, ?, 0, 0, 0, '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '')",
        (balance,)))  # fmt: skip
    assert (await database.read(lambda: database.execute("SELECT balance FROM channels"))) == [(balance,)]


async def test_a_check_is_a_refusal_for_good(store: Store) -> None:
    database = store.database
    with pytest.raises(IntegrityError):
        await database.write(
            lambda: database.execute_count(
                "INSERT INTO purses (kind, owner_id, granted, available, leased, settled) VALUES (1, 1, 1, -1, 2, 0)"
            )
        )
    assert await database.read(lambda: database.execute("SELECT count(*) FROM purses")) == [(0,)]


async def test_upserts(store: Store) -> None:
    await store.options.set_many({"SystemName": "one"})
    await store.options.set_many({"SystemName": "two", "Notice": "n"})
    assert (await store.options.all()) == {"SystemName": "two", "Notice": "n"}
    row = {"purpose": "p", "subject_hash": "s", "attempts": 3}

    def ignore(**more: object) -> None:
        Proof.insert(row | more).on_conflict_ignore().execute()

    await store.database.write(ignore)
    await store.database.write(lambda: ignore(attempts=9))
    assert await store.database.read(lambda: [each.attempts for each in Proof.select()]) == [3]
    # INSERT IGNORE would have cut this one to fit.
    with pytest.raises(Unstorable):
        await store.database.write(lambda: ignore(purpose="p" * 17))


async def test_a_deadlock_is_run_again(store: Store) -> None:
    one, two = [await store.accounts.create(name, "hash") for name in ("one", "two")]
    database, tries = store.database, []
    first_taken = {one.id: asyncio.Event(), two.id: asyncio.Event()}

    def meet(mine: int, other: int) -> None:
        tries.append(mine)
        User.update(request_count=User.request_count + 1).where(User.id == mine).execute()
        first_taken[mine].set()
        if len(tries) <= 2:
            # Until both hold what the other wants next.
            from playhouse.pwasyncio import await_

            await_(first_taken[other].wait())
        User.update(request_count=User.request_count + 1).where(User.id == other).execute()

    await asyncio.gather(database.write(meet, one.id, two.id), database.write(meet, two.id, one.id))
    assert len(tries) == 3, "one of them was rolled back, and done again"
    for account in (one, two):
        assert (await store.accounts.get(account.id)).request_count == 2


def cut(server: Server) -> None:
    """Ends every connection of the gateway's, as a server that was tired of waiting does."""
    for (number,) in server.execute(f"SELECT id FROM information_schema.processlist WHERE user = '{USER}'"):
        server.execute(f"KILL {number}")


async def test_a_lost_connection_is_made_anew(store: Store, server: Server) -> None:
    user = await store.accounts.create("ada", "hash")
    for _ in range(3):
        cut(server)
        assert (await store.accounts.get(user.id)).username == "ada"
        cut(server)
        await store.accounts.update(user.id, group="vip")
    # Lost while at work, before COMMIT: nothing of it had happened, so it is done again, once.
    tries = []

    def work() -> None:
        tries.append(1)
        User.update(request_count=User.request_count + 1).where(User.id == user.id).execute()
        if len(tries) == 1:
            cut(server)
        User.update(request_count=User.request_count + 1).where(User.id == user.id).execute()

    await store.database.write(work)
    assert len(tries) == 2
    assert (await store.accounts.get(user.id)).request_count == 2


async def test_what_was_begun_on_a_lost_connection_is_not_ended_on_another(store: Store, server: Server) -> None:
    user = await store.accounts.create("ada", "hash")

    def work() -> None:
        User.update(request_count=7).where(User.id == user.id).execute()
        with contextlib.suppress(OperationalError):
            cut(server)
            User.select().count()
        # Whoever goes on after an error meets it again, here and at COMMIT.
        User.update(request_count=User.request_count + 1).where(User.id == user.id).execute()

    with pytest.raises(OperationalError):
        await store.database.write(work)
    assert (await store.accounts.get(user.id)).request_count == 0


async def test_a_server_that_was_restarted(store: Store, server: Server) -> None:
    user = await store.accounts.create("ada", "hash")
    server.stop(hard=True)
    with pytest.raises(OperationalError):
        await store.accounts.get(user.id)
    server.start()
    assert (await store.accounts.get(user.id)).username == "ada"
    await store.accounts.update(user.id, group="vip")


async def test_a_migration_that_was_cut_off_is_ended_by_the_next(server: Server, tmp_path: Path) -> None:
    """DDL commits by itself: the tables of half a migration are there, and no line that says so."""
    server.clear()
    settings = CoreSettings(data=tmp_path, sql_dsn=server.dsn)
    database = await Database.open(settings)
    await database.migrate()
    names = [row[0] for row in server.execute("SELECT name FROM schema_migration ORDER BY name", database=NAME)]
    server.execute("DELETE FROM schema_migration", database=NAME)
    try:
        several = [await Database.open(settings) for _ in range(3)]
        await asyncio.gather(*(each.migrate() for each in several))
        for each in several:
            await each.close()
        again = [row[0] for row in server.execute("SELECT name FROM schema_migration ORDER BY name", database=NAME)]
        assert again == names
        tables = server.execute(
            f"SELECT table_name, table_collation FROM information_schema.tables WHERE table_schema = '{NAME}'"
        )
        assert len(tables) > 10
        assert {collation for _, collation in tables} == {"utf8mb4_bin"}, "whatever the database's own is (latin1)"
    finally:
        await database.close()


async def test_tls_that_is_asked_for_and_not_offered(server: Server, tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="TLS"):
        await Database.open(CoreSettings(data=tmp_path, sql_dsn=server.dsn + "?tls=skip-verify"))
    database = await Database.open(CoreSettings(data=tmp_path, sql_dsn=server.dsn + "?tls=preferred"))
    await database.close()


async def test_a_password_is_in_no_message(server: Server, tmp_path: Path) -> None:
    with pytest.raises(OperationalError) as refused:
        await Database.open(CoreSettings(data=tmp_path, sql_dsn=server.go_dsn.replace(PASSWORD, PASSWORD + "!")))
    assert PASSWORD not in str(refused.value)
