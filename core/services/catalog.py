"""CatalogService: models, groups and prices."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import catalog_pb2, catalog_pb2_grpc

from core.link.call import CallInfo, guarded_unary
from core.manage import catalog, performance
from core.services.context import Services
from core.state.types import ROLE_ADMIN

# ruff: noqa: N802 - the proto's names


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """Thin: the work is in core/manage/catalog.py, which reads the snapshot alone."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings

    @guarded_unary
    async def ListModels(self, request: catalog_pb2.ListModelsRequest, info: CallInfo, context: Any) -> Any:
        """The models, by name."""
        if request.scope == catalog_pb2.MODEL_SCOPE_SERVED:
            principal = await self._services.account(info, ROLE_ADMIN)
        else:
            principal = await self._services.either(info)
        found = catalog.models(self._services, principal, request.scope)
        return catalog_pb2.ListModelsResponse(models=[found[name] for name in sorted(found)])

    @guarded_unary
    async def GetModel(self, request: catalog_pb2.GetModelRequest, info: CallInfo, context: Any) -> Any:
        """One of them."""
        principal = await self._services.either(info)
        return catalog_pb2.GetModelResponse(model=catalog.model(self._services, principal, request.name))

    @guarded_unary
    async def ListKnownModels(self, request: catalog_pb2.ListKnownModelsRequest, info: CallInfo, context: Any) -> Any:
        """The models of each channel type."""
        await self._services.account(info)
        return catalog_pb2.ListKnownModelsResponse(types=catalog.known(self._services))

    @guarded_unary
    async def ListGroups(self, request: catalog_pb2.ListGroupsRequest, info: CallInfo, context: Any) -> Any:
        """Groups."""
        if request.all:
            await self._services.account(info, ROLE_ADMIN)
            return catalog_pb2.ListGroupsResponse(groups=catalog.all_groups(self._services))
        found = catalog.groups(self._services, await catalog.reader(self._services, info))
        return catalog_pb2.ListGroupsResponse(groups=found)

    @guarded_unary
    async def ListPrices(self, request: catalog_pb2.ListPricesRequest, info: CallInfo, context: Any) -> Any:
        """What models cost."""
        return await catalog.prices(self._services, await catalog.reader(self._services, info))

    @guarded_unary
    async def GetRatioConfig(self, request: catalog_pb2.GetRatioConfigRequest, info: CallInfo, context: Any) -> Any:
        """The price tables."""
        return catalog.ratio_config(self._services)

    @guarded_unary
    async def GetPerformance(self, request: catalog_pb2.GetPerformanceRequest, info: CallInfo, context: Any) -> Any:
        """How models did."""
        principal = await catalog.reader(self._services, info)
        return await performance.performance(self._services, principal, request)
