"""One worker's core: put together from settings, taken apart in order."""

from __future__ import annotations

import logging
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from isthmus.v1 import (
    access_pb2_grpc,
    admin_pb2_grpc,
    billing_pb2_grpc,
    catalog_pb2_grpc,
    chat_pb2_grpc,
    embedding_pb2_grpc,
    models_pb2_grpc,
    moderation_pb2_grpc,
    payment_pb2_grpc,
    price_sync_pb2_grpc,
    rerank_pb2_grpc,
    responses_pb2_grpc,
    routing_pb2_grpc,
    subscription_pb2_grpc,
    system_pb2_grpc,
)

from core.identity.web import Web
from core.ledger.interface import Ledger
from core.ledger.ledger import open_ledger
from core.link.local import LocalChannel
from core.link.server import Port, open_port
from core.manage.instances import Reporter
from core.manage.notices import tell_root
from core.manage.throttle import Throttle
from core.pacing.open import open_pacing
from core.pipeline.inquiry import Inquirer
from core.pipeline.relay import Relay
from core.pipeline.trial import make_tester
from core.rounds import balances, channel_tests, log_cleanup, model_updates, subscriptions
from core.rounds.runner import Runner
from core.rounds.schedule import Schedule
from core.services.access import AccessServicer
from core.services.admin import AdminServicer
from core.services.billing import BillingServicer
from core.services.catalog import CatalogServicer
from core.services.chat import ChatServicer
from core.services.context import Services
from core.services.embedding import EmbeddingServicer
from core.services.models import ModelServicer
from core.services.moderation import ModerationServicer
from core.services.payment import PaymentServicer
from core.services.price_sync import PriceSyncServicer
from core.services.rerank import RerankServicer
from core.services.responses import ResponsesServicer
from core.services.routing import RoutingServicer
from core.services.subscription import SubscriptionServicer
from core.services.system import SystemServicer
from core.settings import CoreSettings
from core.state.state import State
from core.store.database import Database
from core.store.store import Store
from core.upstream.interface import Upstream
from core.upstream.pool import open_upstream

logger = logging.getLogger("isthmus.node")


@dataclass(slots=True)
class Node:
    """Everything one worker holds; made by open_node."""

    settings: CoreSettings
    database: Database
    store: Store
    state: State
    ledger: Ledger
    upstream: Upstream
    relay: Relay
    services: Services
    schedule: Schedule
    reporter: Reporter
    port: Port | None = None

    def add_to(self, target: Any) -> None:
        """Registers every servicer on a grpc.aio.Server or a LocalChannel."""
        chat_pb2_grpc.add_ChatServiceServicer_to_server(ChatServicer(self.relay), target)
        embedding_pb2_grpc.add_EmbeddingServiceServicer_to_server(EmbeddingServicer(self.relay), target)
        moderation_pb2_grpc.add_ModerationServiceServicer_to_server(ModerationServicer(self.relay), target)
        rerank_pb2_grpc.add_RerankServiceServicer_to_server(RerankServicer(self.relay), target)
        responses_pb2_grpc.add_ResponsesServiceServicer_to_server(ResponsesServicer(self.relay), target)
        access_pb2_grpc.add_AccessServiceServicer_to_server(AccessServicer(self.services), target)
        admin_pb2_grpc.add_AdminServiceServicer_to_server(AdminServicer(self.services), target)
        billing_pb2_grpc.add_BillingServiceServicer_to_server(BillingServicer(self.services), target)
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(CatalogServicer(self.services), target)
        routing_pb2_grpc.add_RoutingServiceServicer_to_server(RoutingServicer(self.services), target)
        models_pb2_grpc.add_ModelServiceServicer_to_server(ModelServicer(self.services), target)
        system_pb2_grpc.add_SystemServiceServicer_to_server(SystemServicer(self.services), target)
        price_sync_pb2_grpc.add_PriceSyncServiceServicer_to_server(PriceSyncServicer(self.services), target)
        payment_pb2_grpc.add_PaymentServiceServicer_to_server(PaymentServicer(self.services), target)
        subscription_pb2_grpc.add_SubscriptionServiceServicer_to_server(SubscriptionServicer(self.services), target)

    def local_channel(self) -> LocalChannel:
        """A channel for a front in the same process."""
        channel = LocalChannel(max_message_bytes=self.settings.max_message_bytes)
        self.add_to(channel)
        return channel

    async def listen(self) -> None:
        """Opens the gRPC port, where the settings name one."""
        if self.settings.grpc_port:
            self.port = await open_port(self.add_to, self.settings.grpc_host, self.settings.grpc_port, self.settings)

    async def turn_away(self) -> None:
        """New requests are refused, and health checks are told so; those that run go on."""
        self.relay.stopping = True
        if self.port is not None:
            await self.port.leaving()

    async def _close_pacing(self) -> None:
        if self.relay.pacing is not None:
            await self.relay.pacing.close()

    async def close(self, grace: float = 5.0) -> None:
        """Turns new requests away, gives those over gRPC grace seconds, settles, flushes, gives leases back."""
        await self.turn_away()
        if self.port is not None:
            self.relay.cutting = True
            await self.port.stop(grace)
        steps: list[tuple[str, Callable[[], Any]]] = [
            ("schedule", self.schedule.close),
            ("reporter", self.reporter.close),
            ("rounds", self.services.rounds.close),
            ("upstream", self.upstream.aclose),
            ("mail", self.services.mailer.close),
            ("kept answers", self.relay.kept.close),
            ("pacing", self._close_pacing),
            ("ledger", self.ledger.close),
            ("state", self.state.close),
            ("database", self.database.close),
        ]
        for name, step in steps:
            try:
                await step()
            except Exception:
                # The rest must still be closed: an open pool keeps the process alive.
                logger.exception("could not close %s", name)


async def open_node(settings: CoreSettings) -> Node:
    """Opens database, state, ledger and upstream. Raises what stands in the way, with nothing left open."""
    database = await Database.open(settings)
    try:
        store = Store(database, settings)
        state = await State.open(store, settings)
        try:
            ledger = await open_ledger(database, settings)
            pacing = open_pacing(settings)
        except BaseException:
            await state.close()
            raise
    except BaseException:
        await database.close()
        raise
    upstream = open_upstream(settings)

    async def disable(channel_id: int, key_index: int, reason: str) -> None:
        known = state.snapshot.channels.get(channel_id)
        changed = await store.channels.set_status(channel_id, 3, key_index=key_index, reason=reason)
        await state.refresh()
        if changed:
            name = f"#{channel_id} {known.name if known is not None else ''}".strip()
            key = f", key {key_index}" if known is not None and known.multi_key_mode else ""
            await tell_root(services, f"disabled:{channel_id}", "a channel was disabled", f"{name}{key}: {reason}\n")

    relay = Relay(settings, store, state, ledger, upstream, disable, pacing=pacing)
    services = Services(
        settings=settings,
        store=store,
        state=state,
        ledger=ledger,
        tester=make_tester(relay),
        inquirer=Inquirer(relay),
        started=int(time.time()),
        throttle=Throttle(store.proofs),
        rounds=Runner(store.system_tasks, _worker(settings)),
        guide=relay.guide,
        health=relay.health,
        upstream=upstream,
        web=Web(upstream),
        stopping=lambda: relay.stopping,
        running=lambda: relay.running,
    )
    rounds = (channel_tests, balances, model_updates, log_cleanup, subscriptions)
    chores = [each.chore(services) for each in rounds]
    schedule = Schedule(store.system_tasks, services.rounds, chores)
    schedule.open()
    state.forget_conversations = relay.guide.affinity.forget_numbered
    reporter = Reporter(services)
    reporter.open()
    return Node(settings, database, store, state, ledger, upstream, relay, services, schedule, reporter)


def _worker(settings: CoreSettings) -> str:
    """What the cluster knows this start of this worker by."""
    return f"{settings.node or socket.gethostname()}/{settings.slot}/{secrets.token_hex(4)}"
