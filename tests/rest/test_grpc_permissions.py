"""Every management method of the gRPC face, asked by nobody, a key, a user, an administrator and root."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass
from isthmus.client import ApiError
from isthmus.v1 import (
    access_pb2,
    admin_pb2,
    billing_pb2,
    catalog_pb2,
    models_pb2,
    payment_pb2,
    price_sync_pb2,
    responses_pb2,
    routing_pb2,
    subscription_pb2,
    system_pb2,
)

from tests.integration.house import House
from tests.rest.levels import RANK
from tests.rest.people import Person, make

TABLE = """
AccessService.CheckKey          key
AccessService.GetStatus         public
AccessService.SetUp             public
AccessService.Register          public
AccessService.Login             public
AccessService.Logout            user
AccessService.ListSessions      user
AccessService.EndSession        user
AccessService.GetSelf           user
AccessService.RotateAccessToken user
AccessService.CheckAccount      user
AccessService.UpdateSelf        user
AccessService.UpdateSettings    user
AccessService.DeleteSelf        user
AccessService.Verify            user
AccessService.FinishLogin       public
AccessService.GetTwoFactor      user
AccessService.SetUpTwoFactor    user
AccessService.EnableTwoFactor   user
AccessService.DisableTwoFactor  user
AccessService.RenewBackupCodes  user
AccessService.SendVerification  public
AccessService.BindEmail         user
AccessService.SendReset         public
AccessService.ResetPassword     public
AccessService.GetPasskey        user
AccessService.BeginPasskeyRegistration user
AccessService.FinishPasskeyRegistration user
AccessService.RemovePasskey     user
AccessService.BeginPasskeyLogin public
AccessService.FinishPasskeyLogin public
AccessService.BeginPasskeyVerification user
AccessService.FinishPasskeyVerification user
AccessService.BeginOAuth        public
AccessService.CompleteOAuth     public
AccessService.SignInWithTelegram public
AccessService.SignInWithWeChat  public
AccessService.ListBindings      user
AccessService.RemoveBinding     user
AdminService.ListAccountBindings admin
AdminService.RemoveAccountBinding admin
AdminService.ListAudit          root
AdminService.ListOAuthProviders root
AdminService.GetOAuthProvider   root
AdminService.CreateOAuthProvider root
AdminService.UpdateOAuthProvider root
AdminService.DeleteOAuthProvider root
AdminService.DiscoverOAuthProvider root
AdminService.ListAccounts       admin
AdminService.GetAccount         admin
AdminService.CreateAccount      admin
AdminService.UpdateAccount      admin
AdminService.ManageAccount      admin
AdminService.EraseAccount       admin
AdminService.RemoveTwoFactor    admin
AdminService.RemoveAccountPasskey admin
AdminService.GetTwoFactorStats  admin
AdminService.ListKeys           user
AdminService.GetKey             user
AdminService.CreateKey          user
AdminService.UpdateKey          user
AdminService.CreateKeys         user
AdminService.RotateKey          user
AdminService.DeleteKeys         user
AdminService.RevealKey          user
AdminService.RevealKeys         user
AdminService.ListChannels       admin
AdminService.GetChannel         admin
AdminService.CreateChannels     admin
AdminService.UpdateChannel      admin
AdminService.DeleteChannels     admin
AdminService.CopyChannel        admin
AdminService.RevealChannel      root
AdminService.UpdateTag          admin
AdminService.GetTagModels       admin
AdminService.ManageChannelKeys  admin
AdminService.RebuildIndex       admin
AdminService.TestChannel        admin
AdminService.FetchModels        root
AdminService.UpdateBalance      admin
AdminService.ListOptions        root
AdminService.DescribeOptions    root
AdminService.SetOptions         root
AdminService.MigrateConsoleSettings root
AdminService.ListLogs           user
AdminService.SumLogs            user
AdminService.ExportLogs         user
AdminService.TailLogs           user
AdminService.DeleteLogs         root
BillingService.GetReceipt       key
BillingService.ListReceipts     key
BillingService.GetBalance       key
BillingService.GetKeyUsage      key
BillingService.SumUsage         user
BillingService.Redeem           user
BillingService.TransferInvitationQuota user
BillingService.GetCheckIns      user
BillingService.DoCheckIn        user
BillingService.ListRedemptions  admin
BillingService.GetRedemption    admin
BillingService.CreateRedemptions admin
BillingService.UpdateRedemption admin
BillingService.DeleteRedemptions admin
CatalogService.ListModels       key
CatalogService.GetModel         key
CatalogService.ListKnownModels  user
CatalogService.ListGroups       public
CatalogService.ListPrices       public
CatalogService.GetRatioConfig   public
RoutingService.TestChannels     admin
RoutingService.GetRound         admin
RoutingService.AbortRound       admin
RoutingService.GetAffinity      root
RoutingService.ClearAffinity    root
RoutingService.GetCacheUse      admin
RoutingService.Explain          admin
RoutingService.GetRetries       admin
RoutingService.DetectModels     admin
RoutingService.DetectAllModels  admin
RoutingService.ApplyModels      admin
RoutingService.ApplyAllModels   admin
RoutingService.PullModel        admin
RoutingService.DeleteModel      admin
RoutingService.GetServerVersion admin
PaymentService.GetWays          user
PaymentService.QuoteTopUp       user
PaymentService.StartTopUp       user
PaymentService.NotifyPayment    public
PaymentService.ListOrders       user
PaymentService.CompleteOrder    admin
PaymentService.ConfirmTerms     root
ResponsesService.KeepResponse   key
ResponsesService.GetResponse    key
ResponsesService.DeleteResponse key
ResponsesService.CancelResponse key
ResponsesService.ListInputItems key
CatalogService.GetPerformance   public
ModelService.ListModelEntries admin
ModelService.GetModelEntry admin
ModelService.SaveModelEntry admin
ModelService.DeleteModelEntry admin
ModelService.ListMissingModels admin
ModelService.PreviewModelSync admin
ModelService.ApplyModelSync admin
ModelService.ListVendors admin
ModelService.GetVendor admin
ModelService.SaveVendor admin
ModelService.DeleteVendor admin
ModelService.ListPrefillGroups admin
ModelService.SavePrefillGroup admin
ModelService.DeletePrefillGroup admin
SystemService.StartLogCleanup   root
SystemService.ListTasks         root
SystemService.GetTask           root
SystemService.AbortTask         root
SystemService.ListInstances     root
SystemService.GetRuntime        root
SystemService.CollectGarbage    root
SystemService.GetUptime         public
PriceSyncService.ListPriceSources root
PriceSyncService.ComparePrices  root
SubscriptionService.ListPlans   user
SubscriptionService.CreatePlan  admin
SubscriptionService.UpdatePlan  admin
SubscriptionService.ListSubscriptions user
SubscriptionService.BuyPlan     user
SubscriptionService.GrantPlan   admin
SubscriptionService.EndSubscription admin
"""
LEVELS = dict(line.split() for line in TABLE.strip().splitlines())
METHODS: dict[str, Any] = {
    f"{service.name}.{method.name}": method
    for file in (
        access_pb2,
        admin_pb2,
        billing_pb2,
        catalog_pb2,
        payment_pb2,
        price_sync_pb2,
        responses_pb2,
        routing_pb2,
        subscription_pb2,
        system_pb2,
        models_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
WIDER: dict[str, Any] = {
    "AdminService.ListLogs": {"all_accounts": True},
    "AdminService.SumLogs": {"filter": {"all_accounts": True}},
    "AdminService.ExportLogs": {"filter": {"all_accounts": True}},
    "AdminService.TailLogs": {"filter": {"all_accounts": True}},
    "BillingService.SumUsage": {"all_accounts": True},
    "SubscriptionService.ListPlans": {"all": True},
    "SubscriptionService.ListSubscriptions": {"account_id": 1},
    "PaymentService.ListOrders": {"all_accounts": True},
    "CatalogService.ListGroups": {"all": True},
    "CatalogService.ListModels": {"scope": catalog_pb2.MODEL_SCOPE_SERVED},
}
"""Requests that ask for everybody's: an administrator's, whatever the method is otherwise."""
SIGNED_IN = {name for name, level in LEVELS.items() if level not in ("public", "key")}
READ_BY_KEYS = {name for name, level in LEVELS.items() if level == "key"} | {
    "AdminService.ListLogs",
    "AdminService.SumLogs",
    "AdminService.ExportLogs",
    "AdminService.TailLogs",
}
"""A key reads what is its own."""
ENDS_THE_CALLER = {"AccessService.Logout", "AccessService.DeleteSelf", "AccessService.RotateAccessToken"}
UNKNOWN = ("KEY_MISSING", "KEY_UNKNOWN", "SESSION_INVALID", "ACCESS_TOKEN_UNKNOWN")


def test_the_table_is_the_protos() -> None:
    assert LEVELS.keys() == METHODS.keys()


@pytest.fixture
async def channel(gateway: House) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(gateway.grpc) as made:
        yield made


async def ask(channel: grpc.aio.Channel, name: str, metadata: Any = (), **fields: Any) -> str:
    """The reason a call is refused with; "" where it is answered."""
    method = METHODS[name]
    make = channel.unary_stream if method.server_streaming else channel.unary_unary
    call = make(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    try:
        answer = call(GetMessageClass(method.input_type)(**fields), metadata=metadata)
        if method.server_streaming:
            await answer.read()
            answer.cancel()
        else:
            await answer
    except grpc.aio.AioRpcError as error:
        reason = ApiError.of(error).reason
        assert reason, error  # noqa: PT017 - whatever the refusal, it has a reason
        assert reason != "INTERNAL", name
        return reason
    return ""


def session(person: Person) -> tuple[tuple[str, str], ...]:
    return (("isthmus-session", person.cookie.removeprefix("session=").strip('"')),)


@pytest.fixture(scope="module")
def secret(user: Person) -> str:
    return user.key()[1]


@pytest.mark.parametrize("name", [name for name, level in LEVELS.items() if level != "public"])
async def test_nobody_is_let_in(channel: grpc.aio.Channel, name: str) -> None:
    foreign: tuple[Any, ...] = (
        (),
        (("isthmus-session", "forged"),),
        (("isthmus-user", "1"),),
        (("authorization", "Bearer " + "x" * 32), ("isthmus-user", "1")),
        (("authorization", "Bearer sk-" + "x" * 48),),
    )
    for metadata in foreign:
        assert await ask(channel, name, metadata) in UNKNOWN, metadata
        if name in WIDER:
            assert await ask(channel, name, metadata, **WIDER[name]) in UNKNOWN, metadata


@pytest.mark.parametrize("name", sorted(SIGNED_IN - READ_BY_KEYS))
async def test_a_key_manages_nothing(channel: grpc.aio.Channel, name: str, secret: str) -> None:
    assert await ask(channel, name, (("authorization", f"Bearer {secret}"),)) in UNKNOWN


@pytest.mark.parametrize("name", sorted(READ_BY_KEYS))
async def test_a_key_reads_its_own(channel: grpc.aio.Channel, name: str, secret: str) -> None:
    metadata = (("authorization", f"Bearer {secret}"),)
    assert await ask(channel, name, metadata) not in (*UNKNOWN, "ROLE_TOO_LOW")
    if name in WIDER:
        assert await ask(channel, name, metadata, **WIDER[name]) in UNKNOWN


async def test_nobody_but_a_front_keeps_answers(channel: grpc.aio.Channel, secret: str) -> None:
    """Over the port a key's holder could say that a model said anything."""
    turn = {"id": "resp_1", "response_json": b"{}"}
    metadata = (("authorization", f"Bearer {secret}"),)
    assert await ask(channel, "ResponsesService.KeepResponse", metadata, turn=turn) == "FORBIDDEN"


@pytest.mark.parametrize("name", [name for name, level in LEVELS.items() if level == "public"])
async def test_open_methods_ask_for_nobody(channel: grpc.aio.Channel, name: str) -> None:
    assert await ask(channel, name) not in (*UNKNOWN, "ROLE_TOO_LOW") or name == "AccessService.Login"


@pytest.mark.parametrize("caller", ["user", "admin", "root"])
@pytest.mark.parametrize("name", sorted(SIGNED_IN))
async def test_levels(
    channel: grpc.aio.Channel, gateway: House, name: str, caller: str, user: Person, admin: Person, root: Person
) -> None:
    """An empty request: let in, it meets at most the next check."""
    if name in ENDS_THE_CALLER:
        if caller == "root":
            caller = "admin"
        person = make(gateway, RANK[caller])
    else:
        person = {"user": user, "admin": admin, "root": root}[caller]
    reason = await ask(channel, name, session(person))
    assert (reason == "ROLE_TOO_LOW") is (RANK[caller] < RANK[LEVELS[name]]), reason
    assert reason not in ("KEY_MISSING", "KEY_UNKNOWN")


@pytest.mark.parametrize("name", WIDER)
async def test_everybodys_are_administrators(channel: grpc.aio.Channel, name: str, user: Person, admin: Person) -> None:
    assert await ask(channel, name, session(user), **WIDER[name]) == "ROLE_TOO_LOW"
    assert await ask(channel, name, session(admin), **WIDER[name]) == ""
