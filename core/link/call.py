"""What a servicer knows of its call, and how its errors become status: the same over both links."""

from __future__ import annotations

import functools
import hmac
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from isthmus.v1 import common_pb2

from core.errors import DOMAIN, Internal, IsthmusError
from core.settings import CoreSettings

logger = logging.getLogger("isthmus.link")

FRONT_SECRET = "isthmus-front-secret"  # noqa: S105 - the name of a metadata key
CLIENT_ADDRESS = "isthmus-client-address"
REQUEST_ID = "isthmus-request-id"
MAX_TEXT_BYTES = 1500
"""UTF-8 bytes of an error's text: it travels percent-encoded and, once more, in base64, and gRPC peers refuse
trailers of more than 8 kB."""
MAX_DETAIL_BYTES = 200
"""UTF-8 bytes of one value in ErrorInfo.metadata, for the same reason."""
MAX_REQUEST_ID = 64
"""Characters of a request id (the width of New API's column)."""

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


@dataclass(slots=True)
class CallInfo:
    """Who calls, as far as the link can tell; not to be changed.

    metadata holds the call's text metadata by lower-case key (the first of repeated
    ones), without the three keys that only a front may assert. trusted: the caller is
    a front of ours. client_address is an IP address, or "" over a unix socket.
    """

    metadata: dict[str, str]
    trusted: bool
    client_address: str
    request_id: str

    @staticmethod
    def of(context: Any, settings: CoreSettings) -> CallInfo:
        """Reads a servicer context; a forged address or request id is left aside.

        A front is believed over LocalChannel, or with the front secret where one is set.
        """
        metadata: dict[str, str] = {}
        for key, value in context.invocation_metadata() or ():
            if isinstance(value, str):
                metadata.setdefault(key, value)
        secret = metadata.pop(FRONT_SECRET, "")
        address = metadata.pop(CLIENT_ADDRESS, "")
        request_id = metadata.pop(REQUEST_ID, "")
        trusted = getattr(context, "local", False) is True or (
            bool(settings.front_secret) and hmac.compare_digest(secret.encode(), settings.front_secret.encode())
        )
        if not trusted:
            address = request_id = ""
        if not request_id or len(request_id) > MAX_REQUEST_ID or not request_id.isprintable():
            request_id = new_request_id()
        return CallInfo(metadata, trusted, address or peer_address(context.peer()), request_id)


def new_request_id() -> str:
    """24 hex digits."""
    return os.urandom(12).hex()


def peer_address(peer: str) -> str:
    """The IP address in a gRPC peer such as "ipv4:10.0.0.1:999" or "ipv6:%5B::1%5D:999"; "" for others."""
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    return rest.rpartition(":")[0].strip("[]")


def _cut(text: str, limit: int) -> str:
    """At most limit UTF-8 bytes of text, cut between characters."""
    raw = text.encode("utf-8", "replace")
    return raw.decode() if len(raw) <= limit else raw[: limit - 3].decode(errors="ignore") + "…"


def fault_of(error: IsthmusError) -> common_pb2.Fault:
    """The error as it is told inside a stream or a receipt."""
    code: int = error.grpc_code.value[0]
    return common_pb2.Fault(
        reason=error.reason,
        message=error.message,
        http_status=error.http_status,
        grpc_code=code,
        vendor_code=error.vendor_code,
        param=error.param,
        retry_after_ms=error.retry_after_ms,
    )


def error_to_status(error: IsthmusError, request_id: str) -> status_pb2.Status:
    """google.rpc.Status with ErrorInfo and, where the error says when to come back, RetryInfo.

    The message ends with the request id. Long texts are cut: see MAX_TEXT_BYTES.
    """
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    values = {
        "http_status": str(error.http_status),
        "code": error.code,
        "param": error.param,
        "vendor_code": error.vendor_code,
        "request_id": request_id,
        **error.details,
    }
    for key, value in values.items():
        info.metadata[key] = _cut(value, MAX_DETAIL_BYTES)
    status = status_pb2.Status(
        code=error.grpc_code.value[0],
        message=f"{_cut(error.message, MAX_TEXT_BYTES)} (request id: {request_id})",
    )
    status.details.append(_packed(info))
    if error.retry_after_ms > 0:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(error.retry_after_ms)
        status.details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    return status


def _packed(message: Any) -> any_pb2.Any:
    """The message as google.protobuf.Any."""
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


class _HasSettings(Protocol):
    """A servicer: `self.settings` says which secret a front must show."""

    settings: CoreSettings


_Servicer = TypeVar("_Servicer", bound=_HasSettings)


async def _refuse(context: Any, error: Exception, info: CallInfo | None, method: str) -> None:
    """Ends the call with the error's status; an unexpected one becomes Internal, its text only in the log."""
    request_id = info.request_id if info is not None else new_request_id()
    if not isinstance(error, IsthmusError):
        logger.error("unexpected error", exc_info=error, extra={"request_id": request_id, "method": method})
        error = Internal()
    await context.abort_with_status(rpc_status.to_status(error_to_status(error, request_id)))


def guarded_unary(
    method: Callable[[_Servicer, _Request, CallInfo, Any], Awaitable[_Response]],
) -> Callable[[_Servicer, _Request, Any], Awaitable[_Response]]:
    """Wraps `async def Method(self, request, info, context)` for grpc.

    IsthmusError becomes its status, anything unexpected INTERNAL; cancellation and context.abort pass.
    """

    @functools.wraps(method)
    async def wrapper(self: _Servicer, request: _Request, context: Any) -> _Response:
        info = None
        try:
            info = CallInfo.of(context, self.settings)
            return await method(self, request, info, context)
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await _refuse(context, error, info, method.__qualname__)
            raise

    return wrapper


def guarded_stream(
    method: Callable[[_Servicer, _Request, CallInfo, Any], AsyncIterator[_Response]],
) -> Callable[[_Servicer, _Request, Any], AsyncIterator[_Response]]:
    """The same for `async def Method(self, request, info, context)` that yields; it is closed in any case."""

    @functools.wraps(method)
    async def wrapper(self: _Servicer, request: _Request, context: Any) -> AsyncIterator[_Response]:
        info = None
        messages: Any = None
        try:
            info = CallInfo.of(context, self.settings)
            messages = method(self, request, info, context)
            del request
            async for message in messages:
                yield message
        except grpc.aio.AbortError:
            raise
        except Exception as error:  # noqa: BLE001 - the servicer's edge: grpc would send the text
            await _refuse(context, error, info, method.__qualname__)
        finally:
            if messages is not None and hasattr(messages, "aclose"):
                await messages.aclose()

    return wrapper
