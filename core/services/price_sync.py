"""PriceSyncService: what other sites charge."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import price_sync_pb2, price_sync_pb2_grpc

from core.link.call import CallInfo, guarded_unary
from core.manage import price_sync
from core.manage.audit import acting
from core.services.context import Services
from core.state.types import ROLE_ROOT

# ruff: noqa: N802 - the proto's names


class PriceSyncServicer(price_sync_pb2_grpc.PriceSyncServiceServicer):
    """Root alone: it makes this machine ask others."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings

    @guarded_unary
    async def ListPriceSources(
        self, request: price_sync_pb2.ListPriceSourcesRequest, info: CallInfo, context: Any
    ) -> Any:
        """Where prices can be read from."""
        await self._services.account(info, ROLE_ROOT)
        return price_sync_pb2.ListPriceSourcesResponse(sources=await price_sync.sources(self._services))

    @guarded_unary
    async def ComparePrices(self, request: price_sync_pb2.ComparePricesRequest, info: CallInfo, context: Any) -> Any:
        """What differs."""
        params = {"ids": list(request.ids)[:50], "count": len(request.sources)}
        async with acting(self._services, info, ROLE_ROOT, "price_sync.fetch", **params):
            return await price_sync.compare(self._services, request)
