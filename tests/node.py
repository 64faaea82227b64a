"""A core in this process with root, channels at a stand-in vendor and a key: for tests that need no gateway."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from isthmus.v1 import access_pb2_grpc, admin_pb2_grpc, chat_pb2_grpc, routing_pb2_grpc

from core.node import Node, open_node
from core.settings import CoreSettings
from core.store.database import Database

TOKEN = "root-access-token-" + "t" * 24
METADATA = (("authorization", TOKEN), ("isthmus-user", "1"))


T = TypeVar("T")


async def eventually(look: Callable[[], Awaitable[T | None]], seconds: float = 20.0) -> T:
    """What look() gives once that is true. Fails after seconds."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.01)


@dataclass
class Home:
    """A node and stubs for it; root is account 1."""

    node: Node
    key: str = ""

    def __post_init__(self) -> None:
        channel = self.node.local_channel()
        self.access = access_pb2_grpc.AccessServiceStub(channel)
        self.admin = admin_pb2_grpc.AdminServiceStub(channel)
        self.chat = chat_pb2_grpc.ChatServiceStub(channel)
        self.routing = routing_pb2_grpc.RoutingServiceStub(channel)

    async def channel(self, url: str, key: str = "k", models: str = "m", **columns: Any) -> int:
        """A new channel; its id."""
        fields = {"type": 1, "name": key[:20], "base_url": url, "key": key, "models": models, **columns}
        (row,) = await self.node.store.channels.create([fields])
        await self.node.state.refresh()
        return int(row.id)

    async def options(self, **values: str) -> None:
        """Sets options; dots are written as two underscores."""
        await self.node.store.options.set_many({name.replace("__", "."): value for name, value in values.items()})
        await self.node.state.refresh()

    async def row(self, channel_id: int) -> Any:
        """A channel's row."""
        return await self.node.store.channels.get(channel_id)

    @property
    def caller(self) -> tuple[tuple[str, str], ...]:
        """Metadata of who calls models by root's key."""
        return (("authorization", f"Bearer sk-{self.key}"),)


@contextlib.asynccontextmanager
async def home(folder: Path, **settings: Any) -> AsyncIterator[Home]:
    """A migrated database, root with money and an unlimited key, no price demanded."""
    core = CoreSettings(data=folder, grpc_port=0, **settings)
    database = await Database.open(core)
    try:
        await database.migrate()
    finally:
        await database.close()
    node = await open_node(core)
    try:
        root = await node.store.accounts.set_up("root", "x", 1 << 40, "test")
        await node.store.accounts.set_access_token(root.id, TOKEN)
        made = Home(node)
        await made.options(SelfUseModeEnabled="true")
        made.key = "k" * 48
        await node.store.keys.create(root.id, made.key, 0, name="k", unlimited_quota=True, expired_time=-1)
        yield made
    finally:
        await node.close(0)
