"""The gRPC port: what every caller outside this process comes in by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from core.settings import CoreSettings

MAX_CONNECTION_AGE_MS = 300_000
"""One client connection stays with one SO_REUSEPORT worker; a limit on its age spreads callers again.
Calls that run are not cut: the grace period is left unlimited."""


class _Recorder:
    """Stands before the server while servicers are added, to learn their names."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server
        self.names: list[str] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Passes on."""
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Passes on, and notes the name."""
        self.names.append(service)
        self._server.add_registered_method_handlers(service, handlers)


@dataclass(slots=True)
class Port:
    """A gRPC server that listens, and what it answers to health checks."""

    server: grpc.aio.Server
    checks: health.aio.HealthServicer
    number: int

    async def leaving(self) -> None:
        """From now on health checks are told NOT_SERVING."""
        await self.checks.enter_graceful_shutdown()

    async def stop(self, grace: float) -> None:
        """Takes no new calls, gives those that run grace seconds."""
        await self.leaving()
        await self.server.stop(grace)


async def open_port(add: Callable[[Any], None], host: str, port: int, settings: CoreSettings) -> Port:
    """A server that listens, with health and reflection; port 0: a free one. Raises OSError where it is taken.

    SO_REUSEPORT is set, so that workers share the port: hold a lock against a second instance.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_send_message_length", settings.max_message_bytes),
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_connection_age_ms", MAX_CONNECTION_AGE_MS),
            ("grpc.so_reuseport", 1),
        ]
    )
    recorder = _Recorder(server)
    add(recorder)
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, recorder)
    for name in ["", *recorder.names]:
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    reflection.enable_server_reflection([*recorder.names, reflection.SERVICE_NAME], server)
    shown = f"[{host}]" if ":" in host else host
    try:
        number = server.add_insecure_port(f"{shown}:{port}")
    except RuntimeError as error:
        raise OSError(f"The gRPC port {shown}:{port} cannot be opened.") from error
    await server.start()
    return Port(server, checks, number)
