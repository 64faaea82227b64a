"""Bedrock's errors: the kind stands in a header, the message in the body, account and key in what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from isthmus.v1 import common_pb2

from core.errors import ChannelError
from core.vendors.bedrock.keys import parse
from core.vendors.interface import Call, VendorRefusal
from core.vendors.shared import refusal

_ARN = re.compile(r"\barn:aws[a-z-]*:[^\s\"'<>)\]]+")
_STATUS = {
    "accessdenied": 403, "throttling": 429, "servicequotaexceeded": 429, "modelnotready": 429, "resourcenotfound": 404,
    "validation": 400, "modelerror": 424, "modelstreamerror": 424, "modeltimeout": 408, "internalserver": 500,
    "serviceunavailable": 503,
}  # fmt: skip
"""By the exceptions' names (the service's model), less "Exception"."""
_TYPES = {
    403: "permission_error", 429: "rate_limit_error", 404: "not_found_error", 400: "invalid_request_error",
    408: "timeout_error", 503: "overloaded_error",
}  # fmt: skip


def read(status: int, headers: Mapping[str, str], body: bytes, call: Call) -> VendorRefusal:
    """An error answer, of any shape."""
    found = refusal.read(status, headers, body, call.secret)
    told = headers.get("x-amzn-errortype", "").partition(":")[0].rpartition("#")[2]
    return replace(found, message=masked(found.message, call), kind=found.kind or told[:128])


def fault(kind: str, message: str, call: Call) -> common_pb2.Fault:
    """An exception inside a stream."""
    made = refusal.fault({"type": kind, "message": masked(message, call)}, call.secret)
    made.http_status = status_of(kind)
    return made


def status_of(kind: str) -> int:
    """The HTTP status an exception stands for."""
    return _STATUS.get(kind.lower().removesuffix("exception"), 502)


def anthropic_type(kind: str) -> str:
    """Anthropic's word for an exception of Bedrock's."""
    return _TYPES.get(status_of(kind), "api_error")


def masked(message: str, call: Call) -> str:
    """Without the parts of the key but its region, and without names of the account's resources."""
    try:
        key = parse(call)
    except ChannelError:
        return _ARN.sub("[resource]", message)
    for part in (key.bearer, key.access, key.secret, key.session):
        if len(part) >= 6:
            message = message.replace(part, "***")
    return _ARN.sub("[resource]", message)
