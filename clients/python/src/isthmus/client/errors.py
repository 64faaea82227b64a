"""What a call can raise, read from the status the gateway sends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

UNBILLED_REASONS = frozenset({"OVERLOADED", "SHUTTING_DOWN", "NO_CHANNEL"})
"""Reasons that say the gateway refused before any vendor was asked: nothing was billed."""

_DETAILS = "grpc-status-details-bin"


class ApiError(Exception):
    """The gateway refused or failed, or could not be reached.

    code: the gRPC status. reason: ErrorInfo.reason, such as "KEY_UNKNOWN"; "" where the
    gateway sent none (it was not reached, or the deadline passed on this side).
    message: for people. http_status: what the HTTP front would have said; 0: not known.
    retry_after: seconds to wait, or None. request_id: the gateway's; "" if not known.
    param: the field at fault; vendor_code: the vendor's own word.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        reason: str = "",
        http_status: int = 0,
        retry_after: float | None = None,
        request_id: str = "",
        param: str = "",
        vendor_code: str = "",
        from_server: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.http_status = http_status
        self.retry_after = retry_after
        self.request_id = request_id
        self.param = param
        self.vendor_code = vendor_code
        self.from_server = from_server

    @property
    def unbilled(self) -> bool:
        """Whether it is certain that nothing was billed: refused early, or no connection was made."""
        if self.code is not grpc.StatusCode.UNAVAILABLE:
            return False
        if self.reason:
            return self.reason in UNBILLED_REASONS
        return not self.from_server and _not_connected(self.message)

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError) -> ApiError:
        """Reads the status, its ErrorInfo and its RetryInfo."""
        raw = _details(error)
        made = cls(error.details() or error.code().name, code=error.code(), from_server=raw is not None)
        status = status_pb2.Status()
        try:
            status.ParseFromString(raw or b"")
        except DecodeError:
            return made
        for detail in status.details:
            made._read(detail)
        return made

    def _read(self, detail: Any) -> None:
        """Takes what one detail tells."""
        info = error_details_pb2.ErrorInfo()
        retry = error_details_pb2.RetryInfo()
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info):
            self.reason = info.reason
            status = info.metadata.get("http_status", "")
            self.http_status = int(status) if status.isascii() and status.isdigit() else 0
            self.request_id = info.metadata.get("request_id", "")
            self.param = info.metadata.get("param", "")
            self.vendor_code = info.metadata.get("vendor_code", "")
        elif detail.Is(retry.DESCRIPTOR) and detail.Unpack(retry):
            self.retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9


def _details(error: grpc.aio.AioRpcError) -> bytes | None:
    """The serialised google.rpc.Status of the trailers."""
    trailers: Iterable[Any] = error.trailing_metadata() or ()
    for key, value in trailers:
        if key == _DETAILS:
            return value if isinstance(value, bytes) else str(value).encode("latin-1", "replace")
    return None


def _not_connected(message: str) -> bool:
    """Whether gRPC's own words say that no connection came about, so that no request left."""
    low = message.lower()
    return "failed to connect" in low or "connection refused" in low or "dns resolution failed" in low
