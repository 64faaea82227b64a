"""ModelService: what people read of models, for administrators."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import models_pb2, models_pb2_grpc

from core.link.call import CallInfo, guarded_unary
from core.manage import entries, fields, model_sync
from core.manage.audit import acting
from core.services.context import Services
from core.state.types import ROLE_ADMIN
from core.store.models import ModelRow, PrefillGroup, VendorRow

# ruff: noqa: N802 - the proto's names


class ModelServicer(models_pb2_grpc.ModelServiceServicer):
    """Thin: the work is in core/manage: entries, model_sync."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings

    @guarded_unary
    async def ListModelEntries(self, request: models_pb2.ListModelEntriesRequest, info: CallInfo, context: Any) -> Any:
        """Entries."""
        await self._services.account(info, ROLE_ADMIN)
        return await entries.list_entries(self._services, request)

    @guarded_unary
    async def GetModelEntry(self, request: models_pb2.GetModelEntryRequest, info: CallInfo, context: Any) -> Any:
        """One entry."""
        await self._services.account(info, ROLE_ADMIN)
        row = await self._services.store.catalog.get(ModelRow, request.id)
        return models_pb2.GetModelEntryResponse(entry=entries.entry(self._services.state.snapshot, row))

    @guarded_unary
    async def SaveModelEntry(self, request: models_pb2.SaveModelEntryRequest, info: CallInfo, context: Any) -> Any:
        """Writes an entry."""
        params = {"id": request.entry.id, "name": request.entry.name[:128]}
        async with acting(self._services, info, ROLE_ADMIN, "model.save", **params):
            return models_pb2.SaveModelEntryResponse(entry=await entries.save_entry(self._services, request))

    @guarded_unary
    async def DeleteModelEntry(self, request: models_pb2.DeleteModelEntryRequest, info: CallInfo, context: Any) -> Any:
        """Deletes an entry."""
        async with acting(self._services, info, ROLE_ADMIN, "model.delete", id=request.id):
            await self._services.store.catalog.delete(ModelRow, request.id)
            await self._services.state.refresh()
            return models_pb2.DeleteModelEntryResponse()

    @guarded_unary
    async def ListMissingModels(
        self, request: models_pb2.ListMissingModelsRequest, info: CallInfo, context: Any
    ) -> Any:
        """Models without an entry."""
        await self._services.account(info, ROLE_ADMIN)
        return models_pb2.ListMissingModelsResponse(models=await entries.missing(self._services))

    @guarded_unary
    async def PreviewModelSync(self, request: models_pb2.PreviewModelSyncRequest, info: CallInfo, context: Any) -> Any:
        """What the upstream has."""
        await self._services.account(info, ROLE_ADMIN)
        return await model_sync.preview(self._services, fields.text(request.locale, "locale", 16))

    @guarded_unary
    async def ApplyModelSync(self, request: models_pb2.ApplyModelSyncRequest, info: CallInfo, context: Any) -> Any:
        """Takes it over."""
        fields.text(request.locale, "locale", 16)
        async with acting(self._services, info, ROLE_ADMIN, "model.sync", overwrite=len(request.overwrite)):
            return await model_sync.apply(self._services, request)

    @guarded_unary
    async def ListVendors(self, request: models_pb2.ListVendorsRequest, info: CallInfo, context: Any) -> Any:
        """Vendors."""
        await self._services.account(info, ROLE_ADMIN)
        return await entries.list_vendors(self._services, request)

    @guarded_unary
    async def GetVendor(self, request: models_pb2.GetVendorRequest, info: CallInfo, context: Any) -> Any:
        """One vendor."""
        await self._services.account(info, ROLE_ADMIN)
        row = await self._services.store.catalog.get(VendorRow, request.id)
        return models_pb2.GetVendorResponse(vendor=entries.vendor(row))

    @guarded_unary
    async def SaveVendor(self, request: models_pb2.SaveVendorRequest, info: CallInfo, context: Any) -> Any:
        """Writes a vendor."""
        params = {"id": request.vendor.id, "name": request.vendor.name[:128]}
        async with acting(self._services, info, ROLE_ADMIN, "vendor.save", **params):
            return models_pb2.SaveVendorResponse(vendor=await entries.save_vendor(self._services, request.vendor))

    @guarded_unary
    async def DeleteVendor(self, request: models_pb2.DeleteVendorRequest, info: CallInfo, context: Any) -> Any:
        """Deletes a vendor."""
        async with acting(self._services, info, ROLE_ADMIN, "vendor.delete", id=request.id):
            await self._services.store.catalog.delete(VendorRow, request.id)
            await self._services.state.refresh()
            return models_pb2.DeleteVendorResponse()

    @guarded_unary
    async def ListPrefillGroups(
        self, request: models_pb2.ListPrefillGroupsRequest, info: CallInfo, context: Any
    ) -> Any:
        """Groups of texts."""
        await self._services.account(info, ROLE_ADMIN)
        kind = fields.text(request.type, "type", 32)
        return models_pb2.ListPrefillGroupsResponse(groups=await entries.list_prefills(self._services, kind))

    @guarded_unary
    async def SavePrefillGroup(self, request: models_pb2.SavePrefillGroupRequest, info: CallInfo, context: Any) -> Any:
        """Writes a group."""
        params = {"id": request.group.id, "name": request.group.name[:64]}
        async with acting(self._services, info, ROLE_ADMIN, "prefill_group.save", **params):
            return models_pb2.SavePrefillGroupResponse(group=await entries.save_prefill(self._services, request.group))

    @guarded_unary
    async def DeletePrefillGroup(
        self, request: models_pb2.DeletePrefillGroupRequest, info: CallInfo, context: Any
    ) -> Any:
        """Deletes a group."""
        async with acting(self._services, info, ROLE_ADMIN, "prefill_group.delete", id=request.id):
            await self._services.store.catalog.delete(PrefillGroup, request.id)
            return models_pb2.DeletePrefillGroupResponse()
