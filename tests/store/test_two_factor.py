"""Second factors and short-lived proofs, over SQLite and PostgreSQL: single use, counts, locks, also at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from core.store.store import Store
from core.store.two_factor import FAILURES_MOST, LOCK_SECONDS, LOCK_SECONDS_MOST, Verdict
from tests.store.test_conformance import dsn, settings, store

__all__ = ["dsn", "settings", "store"]
SECRET = "JBSWY3DPEHPK3PXP"
CODES = ["AAAA-0001", "AAAA-0002"]


def step(number: int) -> Any:
    """A check whose code belongs to this step, by the rule that a step is good once."""
    return lambda secret, last: number if secret == SECRET and number > last else 0


def wrong(secret: str, last: int) -> int:
    return 0


async def rows(store: Store, sql: str) -> list[Any]:
    return await store.database.read(lambda: store.database.execute(sql))


async def enabled(store: Store, user_id: int = 1) -> None:
    assert await store.two_factor.prepare(user_id, SECRET, CODES)
    assert await store.two_factor.attempt(user_id, step(1), enable=True) is Verdict.RIGHT


async def test_setting_up(store: Store) -> None:
    factors = store.two_factor
    assert await factors.attempt(1, step(1)) is Verdict.NONE
    assert await factors.attempt(1, step(1), enable=True) is Verdict.NONE
    assert await factors.prepare(1, "OLD", ["AAAA-0000"])
    assert await factors.prepare(1, SECRET, CODES), "a setup that was not finished is replaced"
    assert await factors.attempt(1, step(1)) is Verdict.NONE, "not in force yet"
    assert await factors.attempt(1, wrong, CODES[0], enable=True) is Verdict.WRONG, "a backup code does not enable"
    assert not (await factors.standing(1)).enabled
    assert await factors.attempt(1, step(1), enable=True) is Verdict.RIGHT
    assert not await factors.prepare(1, SECRET, CODES), "in force"
    standing = await factors.standing(1)
    assert (standing.enabled, standing.locked_until, standing.backup_codes) == (True, 0, 2)
    assert await factors.remove(1)
    assert not await factors.remove(1)
    assert await rows(store, "SELECT id FROM two_fa_backup_codes") == []


async def test_nothing_is_kept_in_the_clear(store: Store) -> None:
    await enabled(store)
    kept = str(await rows(store, "SELECT * FROM two_fas")) + str(await rows(store, "SELECT * FROM two_fa_backup_codes"))
    assert SECRET not in kept
    assert not any(code in kept for code in CODES)
    await store.proofs.put("x", "ada@example.org", 60, 3, code="123456")
    kept = str(await rows(store, "SELECT * FROM proofs"))
    assert "ada@example.org" not in kept
    assert "123456" not in kept


async def test_a_code_is_good_once(store: Store) -> None:
    await enabled(store)
    assert await store.two_factor.attempt(1, step(1)) is Verdict.WRONG, "the code that enabled it"
    found = await asyncio.gather(*(store.two_factor.attempt(1, step(2)) for _ in range(4)))
    assert sorted(each.value for each in found) == ["right", "wrong", "wrong", "wrong"]
    found = await asyncio.gather(*(store.two_factor.attempt(1, wrong, CODES[0]) for _ in range(2)))
    assert sorted(each.value for each in found) == ["right", "wrong"]
    assert (await store.two_factor.standing(1)).backup_codes == 1
    assert await store.two_factor.attempt(2, wrong, CODES[1]) is Verdict.NONE, "codes are their owner's"
    await store.two_factor.renew_codes(1, ["BBBB-0001"])
    assert await store.two_factor.attempt(1, wrong, CODES[1]) is Verdict.WRONG
    assert await store.two_factor.attempt(1, wrong, "BBBB-0001") is Verdict.RIGHT


async def test_wrong_codes_lock_it_longer_each_time(store: Store) -> None:
    await enabled(store)
    waits = []
    for _ in range(6):
        found = await asyncio.gather(*(store.two_factor.attempt(1, wrong) for _ in range(FAILURES_MOST + 3)))
        assert [each.value for each in found].count("wrong") == FAILURES_MOST, "none is looked at beyond the limit"
        assert [each.value for each in found].count("locked") == 3
        assert await store.two_factor.attempt(1, step(2)) is Verdict.LOCKED, "not even a right one"
        waits.append((await store.two_factor.standing(1)).locked_until - time.time())
        await store.database.write(lambda: store.database.execute_count("UPDATE two_fas SET locked_until = 0"))
    expected = [min(LOCK_SECONDS << number, LOCK_SECONDS_MOST) for number in range(6)]
    assert waits == pytest.approx(expected, abs=60)
    assert await store.two_factor.attempt(1, step(2)) is Verdict.RIGHT
    for _ in range(FAILURES_MOST - 1):
        assert await store.two_factor.attempt(1, wrong) is Verdict.WRONG
    assert await store.two_factor.attempt(1, step(3)) is Verdict.RIGHT, "a right code begins the count anew"


async def test_erasing_an_account_forgets_it(store: Store) -> None:
    user = await store.accounts.create("ada", "h")
    await enabled(store, user.id)
    assert await store.two_factor.stats() == (1, 1)
    await store.accounts.erase(user.id)
    assert await rows(store, "SELECT id FROM two_fas") == []
    assert await store.two_factor.stats() == (0, 0)


async def test_proofs(store: Store) -> None:
    proofs = store.proofs
    assert await proofs.spend("x", "ada") is None
    await proofs.put("x", "ada", 60, 3, code="old", account_id=7, detail="d")
    await proofs.put("x", "ada", 60, 3, code="new", account_id=7, detail="d")
    assert await proofs.spend("x", "ada", "old") is None, "a new one replaces it"
    assert await proofs.spend("y", "ada", "new") is None, "purposes are apart"
    assert await proofs.spend("x", "bob", "new") is None
    assert await proofs.spend("x", "ada", "") is None
    found = await asyncio.gather(*(proofs.spend("x", "ada", "new") for _ in range(3)))
    assert [each for each in found if each] == [proofs_shown(7, "d")], "of those who come at once, one"


def proofs_shown(account_id: int, detail: str) -> Any:
    from core.store.proofs import Shown

    return Shown(account_id, detail)


async def test_proofs_have_few_tries_and_end(store: Store) -> None:
    proofs = store.proofs
    await proofs.put("x", "ada", 60, 3, code="right")
    for _ in range(3):
        assert await proofs.spend("x", "ada", "guess") is None
    assert await proofs.spend("x", "ada", "right") is None, "three tries are gone"
    await proofs.put("login", "secret", 60, 2, account_id=7)
    assert [bool(await proofs.attempt("login", "secret")) for _ in range(3)] == [True, True, False]
    assert await proofs.spend("login", "secret") == proofs_shown(7, ""), "what has no code is spent by its subject"
    await proofs.put("x", "late", 0, 3, code="right")
    assert await proofs.spend("x", "late", "right") is None
    assert await proofs.attempt("x", "late") is None
    await proofs.put("x", "other", 60, 3)
    assert len(await rows(store, "SELECT id FROM proofs WHERE attempts = 3")) == 1
    assert (await rows(store, f"SELECT COUNT(*) FROM proofs WHERE expires_at <= {int(time.time())}"))[0][0] == 0


async def test_counts(store: Store) -> None:
    """Of those who come at once, as many as are allowed; a refused try is counted for nobody."""
    proofs = store.proofs
    found = await asyncio.gather(*(proofs.allow({"a": 3}, 60) for _ in range(6)))
    assert sorted(found) == [False] * 3 + [True] * 3
    assert not await proofs.allow({"a": 3, "b": 1}, 60)
    assert await proofs.allow({"b": 1}, 60), "the refused try did not count"
    await proofs.settle([], "a")
    assert [await proofs.allow({"a": 3}, 60) for _ in range(2)] == [True, False]
    await proofs.settle(["a"])
    assert await proofs.allow({"a": 3}, 60)
    assert await proofs.allow({"c": 1}, 0)
    assert await proofs.allow({"c": 1}, 0), "the time is over"
