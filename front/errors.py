"""What the front itself refuses, and what a core's status says: one shape for every dialect to format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from isthmus.v1 import common_pb2

from front.pace import Limit, limits_from

HTTP_OF_GRPC = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.CANCELLED: 503,
}
TEXTS = {
    grpc.StatusCode.CANCELLED: "The gateway is stopping; try again.",
    grpc.StatusCode.UNAVAILABLE: "The gateway's core cannot be reached; try again later.",
    grpc.StatusCode.DEADLINE_EXCEEDED: "The gateway's core did not answer in time.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "The request or its answer is too large.",
}
"""What is told of an end that no servicer of ours wrote: gRPC's own words name addresses."""


@dataclass(eq=False)
class FrontError(Exception):
    """A refusal, ready to be formatted by a dialect."""

    status: int
    message: str
    code: str = "invalid_request"
    param: str = ""
    reason: str = "INVALID_REQUEST"
    retry_after_ms: int = 0
    limits: tuple[Limit, ...] = ()

    def __str__(self) -> str:
        return self.message


def bad(message: str, param: str = "") -> FrontError:
    """A request that cannot be understood."""
    return FrontError(400, message, param=param)


def from_rpc(error: grpc.aio.AioRpcError) -> FrontError:
    """A core's status, its details read."""
    found = FrontError(
        HTTP_OF_GRPC.get(error.code(), 500),
        TEXTS.get(error.code(), "The gateway failed."),
        code=error.code().name.lower(),
        reason=error.code().name,
    )
    status: Any = None
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        return found
    if status is None:
        return found
    found.message = status.message.rsplit(" (request id: ", 1)[0]
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(info):
            found.reason = info.reason
            found.status = int(info.metadata.get("http_status") or found.status)
            found.code = info.metadata.get("code") or found.code
            found.param = info.metadata.get("param", "")
            if told := info.metadata.get("limits"):
                found.limits = limits_from(told)
        elif detail.Unpack(retry):
            found.retry_after_ms = retry.retry_delay.ToMilliseconds()
    return found


def from_fault(fault: common_pb2.Fault) -> FrontError:
    """A fault told inside a stream."""
    return FrontError(
        fault.http_status or 500,
        fault.message,
        code=fault.vendor_code or fault.reason.lower(),
        param=fault.param,
        reason=fault.reason,
        retry_after_ms=fault.retry_after_ms,
    )
