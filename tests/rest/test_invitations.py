"""Invitations: who is rewarded, with how much, once; moved to the wallet, never more than there is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from isthmus.client import Client
from isthmus.v1 import billing_pb2

from tests.integration.house import House
from tests.rest.people import Person, make, sign_in

UNIT = 500_000
_numbers = itertools.count(1)


@pytest.fixture
def rewards(root: Person) -> Iterator[None]:
    values = {"QuotaForInviter": 2 * UNIT, "QuotaForInvitee": 300, "QuotaForNewUser": 7}
    for name, value in values.items():
        root.get("PUT", "/api/option/", {"key": name, "value": value})
    yield
    for name in values:
        root.get("PUT", "/api/option/", {"key": name, "value": 0})


def invite(gateway: House, nobody: Person, code: str) -> Person:
    name = f"invited{next(_numbers)}"
    nobody.get("POST", "/api/user/register", {"username": name, "password": "password-77", "aff_code": code})
    return sign_in(gateway, name, "password-77")


def figures(person: Person) -> tuple[int, int, int, int]:
    told = person.get("GET", "/api/user/self")
    return told["quota"], told["aff_count"], told["aff_quota"], told["aff_history_quota"]


def purses_add_up(gateway: House) -> None:
    rows = gateway.rows("SELECT granted + debt - available - leased - settled FROM purses")
    assert [row for row in rows if row[0]] == []


@pytest.mark.usefixtures("rewards")
def test_rewards(gateway: House, nobody: Person, root: Person) -> None:
    inviter = make(gateway)
    code = inviter.get("GET", "/api/user/aff")
    before = figures(inviter)[0]
    assert figures(invite(gateway, nobody, code)) == (307, 0, 0, 0)
    assert figures(inviter) == (before, 1, 2 * UNIT, 2 * UNIT), "to the wallet only when it is moved"
    nobody.refused("POST", "/api/user/register", {"username": "root", "password": "password-77", "aff_code": code})
    assert figures(inviter)[2] == 2 * UNIT, "a registration that failed rewards nobody"
    assert figures(invite(gateway, nobody, "no-such-code")) == (7, 0, 0, 0)
    for wrong in (0, -UNIT, UNIT - 1, 2 * UNIT + 1, 1 << 62, "x", None):
        inviter.refused("POST", "/api/user/aff_transfer", {"quota": wrong})
    assert inviter.get("POST", "/api/user/aff_transfer", {"quota": UNIT + 5}) is None
    assert figures(inviter) == (before + UNIT + 5, 1, UNIT - 5, 2 * UNIT)
    inviter.refused("POST", "/api/user/aff_transfer", {"quota": UNIT})
    lines = [line["content"] for line in root.get("GET", f"/api/log/?type=4&username={inviter.name}")["items"]]
    assert any("for inviting account" in line for line in lines)
    assert any(f"moved {UNIT + 5} units" in line for line in lines)
    purses_add_up(gateway)


@pytest.mark.usefixtures("rewards")
def test_units_move_once_however_many_come(gateway: House, nobody: Person) -> None:
    inviter = make(gateway)
    code = inviter.get("GET", "/api/user/aff")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: invite(gateway, nobody, code), range(3)))
    start = figures(inviter)[0]
    assert figures(inviter)[1:] == (3, 6 * UNIT, 6 * UNIT)
    with ThreadPoolExecutor(8) as pool:
        asked = pool.map(lambda _: inviter.ask("POST", "/api/user/aff_transfer", {"quota": 2 * UNIT}), range(8))
        assert sum(reply.json()["success"] for reply in asked) == 3
    assert figures(inviter) == (start + 6 * UNIT, 3, 0, 6 * UNIT)
    purses_add_up(gateway)


@pytest.mark.usefixtures("rewards")
async def test_over_grpc(gateway: House, nobody: Person) -> None:
    inviter = make(gateway)
    invite(gateway, nobody, inviter.get("GET", "/api/user/aff"))
    metadata = (("isthmus-session", inviter.cookie.removeprefix("session=").strip('"')),)
    async with Client(gateway.grpc) as client:
        asked = billing_pb2.TransferInvitationQuotaRequest(quota=UNIT)
        assert (await client.billing.TransferInvitationQuota(asked, metadata=metadata)).left == UNIT
