"""CatalogService: which models a caller may use."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import catalog_pb2, catalog_pb2_grpc

from core.errors import ModelNotFound
from core.link.call import CallInfo, guarded_unary
from core.services.context import Services
from core.state.types import Principal
from core.vendors.registry import vendor

# ruff: noqa: N802 - the proto's names


class CatalogServicer(catalog_pb2_grpc.CatalogServiceServicer):
    """Reads the snapshot alone."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.settings = services.settings

    def _models(self, principal: Principal) -> dict[str, catalog_pb2.Model]:
        snapshot = self._services.state.snapshot
        key = principal.key
        group = key.group if key is not None and key.group else principal.account.group
        groups = snapshot.options.auto_groups if group == "auto" else (group,)
        usable = snapshot.options.usable(principal.account.group)
        found: dict[str, catalog_pb2.Model] = {}
        for name in groups:
            if name not in usable:
                continue
            for model, tiers in snapshot.abilities.get(name, {}).items():
                if key is None or key.models is None or model in key.models:
                    found.setdefault(model, self._model(model, tiers[0].channels[0].type))
        return found

    def _model(self, name: str, channel_type: int) -> catalog_pb2.Model:
        row = vendor(channel_type)
        model = catalog_pb2.Model(
            name=name, owner=row.owner if row is not None else "custom", created=self._services.started
        )
        if row is not None:
            if row.chat:
                model.endpoints.append("openai")
            if row.embedding:
                model.endpoints.append("embeddings")
            if row.rerank:
                model.endpoints.append("jina-rerank")
        return model

    @guarded_unary
    async def ListModels(self, request: catalog_pb2.ListModelsRequest, info: CallInfo, context: Any) -> Any:
        """The models, by name."""
        found = self._models(await self._services.either(info))
        return catalog_pb2.ListModelsResponse(models=[found[name] for name in sorted(found)])

    @guarded_unary
    async def GetModel(self, request: catalog_pb2.GetModelRequest, info: CallInfo, context: Any) -> Any:
        """One of them."""
        model = self._models(await self._services.either(info)).get(request.name)
        if model is None:
            raise ModelNotFound(f"The model {request.name[:255]} does not exist, or you may not use it.")
        return catalog_pb2.GetModelResponse(model=model)
