"""The other face: the same operations over gRPC, with the same rules."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from isthmus.client import ApiError, Client
from isthmus.v1 import access_pb2, admin_pb2, billing_pb2, catalog_pb2

from tests.integration.house import PASSWORD, House
from tests.rest.people import Person, make


def who(person: Person) -> tuple[tuple[str, str], ...]:
    """A session as metadata."""
    return (("isthmus-session", person.cookie.removeprefix("session=").strip('"')),)


@pytest.fixture
async def client(gateway: House) -> AsyncIterator[Client]:
    async with Client(gateway.grpc) as made:
        yield made


async def refusal(call: grpc.aio.Call) -> str:
    """The reason of a refused call."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return ApiError.of(refused.value).reason


async def test_levels(client: Client, gateway: House, user: Person, admin: Person, root: Person) -> None:
    admins = (
        (client.admin.ListAccounts, admin_pb2.ListAccountsRequest()),
        (client.admin.ListChannels, admin_pb2.ListChannelsRequest()),
        (client.admin.RebuildIndex, admin_pb2.RebuildIndexRequest()),
        (client.admin.ListLogs, admin_pb2.ListLogsRequest(all_accounts=True)),
        (client.admin.SumLogs, admin_pb2.SumLogsRequest(filter=admin_pb2.ListLogsRequest(all_accounts=True))),
        (client.billing.SumUsage, billing_pb2.SumUsageRequest(all_accounts=True)),
        (client.catalog.ListGroups, catalog_pb2.ListGroupsRequest(all=True)),
        (client.catalog.ListModels, catalog_pb2.ListModelsRequest(scope=catalog_pb2.MODEL_SCOPE_SERVED)),
    )
    for method, request in admins:
        assert await refusal(method(request)) in ("SESSION_INVALID", "KEY_MISSING")
        assert await refusal(method(request, metadata=who(user))) == "ROLE_TOO_LOW"
        await method(request, metadata=who(admin))
    roots = (
        (client.admin.ListOptions, admin_pb2.ListOptionsRequest()),
        (client.admin.SetOptions, admin_pb2.SetOptionsRequest(options={"SystemName": "By gRPC"})),
        (client.admin.DeleteLogs, admin_pb2.DeleteLogsRequest(before=1)),
    )
    for method, request in roots:
        assert await refusal(method(request, metadata=who(admin))) == "ROLE_TOO_LOW"
        await method(request, metadata=who(root))
    assert (await client.access.GetStatus(access_pb2.GetStatusRequest())).options["SystemName"] == "By gRPC"


async def test_the_same_limits(client: Client, user: Person, admin: Person) -> None:
    """What REST refuses, gRPC refuses, too: the checks are core's."""
    keys = (
        admin_pb2.ApiKey(name="x" * 51), admin_pb2.ApiKey(name="a", remaining_quota=-1),
        admin_pb2.ApiKey(name="a", expires_at=-9), admin_pb2.ApiKey(name="nul\0"),
        admin_pb2.ApiKey(name="a", allowed_networks=["x"]), admin_pb2.ApiKey(name="a", models=["m,n"]),
    )  # fmt: skip
    for key in keys:
        call = client.admin.CreateKey(admin_pb2.CreateKeyRequest(key=key), metadata=who(user))
        assert await refusal(call) == "INVALID_REQUEST"
    channel = admin_pb2.Channel(type=1000, name="c", secret="k", models=["m"], weight=-1)
    call = client.admin.CreateChannels(admin_pb2.CreateChannelsRequest(channel=channel), metadata=who(admin))
    assert await refusal(call) == "INVALID_REQUEST"
    call = client.admin.RevealKeys(admin_pb2.RevealKeysRequest(ids=range(1, 102)), metadata=who(user))
    assert await refusal(call) == "INVALID_REQUEST"
    call = client.access.UpdateSettings(
        access_pb2.UpdateSettingsRequest(settings_json='{"role": 100}'), metadata=who(user)
    )
    assert await refusal(call) == "INVALID_REQUEST"


async def test_one_account_two_faces(client: Client, gateway: House) -> None:
    person = make(gateway, quota=1_000)
    made = await client.admin.CreateKey(
        admin_pb2.CreateKeyRequest(key=admin_pb2.ApiKey(name="by gRPC", remaining_quota=77)), metadata=who(person)
    )
    assert person.get("GET", f"/api/token/{made.key.id}")["remain_quota"] == 77
    assert person.get("POST", f"/api/token/{made.key.id}/key")["key"] == made.secret
    found = await client.admin.RevealKeys(admin_pb2.RevealKeysRequest(ids=[made.key.id]), metadata=who(person))
    assert dict(found.secrets) == {made.key.id: made.secret}
    login = await client.access.Login(access_pb2.LoginRequest(username=person.name, password=PASSWORD))
    metadata = (("isthmus-session", login.session),)
    told = await client.access.GetSelf(access_pb2.GetSelfRequest(), metadata=metadata)
    assert (told.account.id, told.account.quota) == (person.id, 1_000)
    changed = access_pb2.UpdateSelfRequest(display_name="G", original_password=PASSWORD)
    await client.access.UpdateSelf(changed, metadata=metadata)
    assert person.get("GET", "/api/user/self")["display_name"] == "G"
    prices = await client.catalog.ListPrices(catalog_pb2.ListPricesRequest(), metadata=metadata)
    assert {row.model: row.model_ratio for row in prices.prices}["gpt-4o"] == "1.25"


async def test_nobody_else_changes_a_key(client: Client, gateway: House, user: Person) -> None:
    person = make(gateway)
    key_id, _ = person.key(name="mine")
    stolen = admin_pb2.ApiKey(id=key_id, name="stolen")
    call = client.admin.UpdateKey(admin_pb2.UpdateKeyRequest(key=stolen), metadata=who(user))
    assert await refusal(call) == "RECORD_NOT_FOUND"
    call = client.admin.RevealKey(admin_pb2.RevealKeyRequest(id=key_id), metadata=who(user))
    assert await refusal(call) == "RECORD_NOT_FOUND"
    gone = await client.admin.DeleteKeys(admin_pb2.DeleteKeysRequest(ids=[key_id]), metadata=who(user))
    assert gone.deleted == 0
    assert person.get("GET", f"/api/token/{key_id}")["name"] == "mine"
    reveal = client.admin.RevealChannel(admin_pb2.RevealChannelRequest(id=1), metadata=who(user))
    assert await refusal(reveal) == "ROLE_TOO_LOW"
