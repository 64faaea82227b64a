"""The one tree of errors: every refusal and failure the gateway can tell.

    IsthmusError
    |- InvalidRequest            400  the client's fault, with the field's name
    |  |- UnsupportedFeature     400
    |  |- PriceNotSet            400
    |- Unauthenticated           401
    |  |- KeyMissing, KeyUnknown, KeyDisabled, KeyExpired, KeyExhausted, SessionInvalid
    |- Forbidden                 403
    |  |- AddressNotAllowed, ModelNotAllowed, GroupNotAllowed, AccountDisabled, ChannelPinRefused, RoleTooLow
    |  |- InsufficientQuota, KeyQuotaExceeded
    |- NotFound                  404
    |  |- ModelNotFound, RecordNotFound
    |- Conflict                  409
    |- TooLarge                  413
    |- RateLimited               429
    |- VendorError               the vendor's own status, after the channel's mapping
    |  |- VendorUnreachable      502, VendorTimeout 504, VendorBroken 502
    |- ChannelError              500  the channel itself is wrong: key, override, mapping
    |- NoChannel                 503
    |- Overloaded                503
    |- ShuttingDown              503
    |- Internal                  500

A leaf carries its gRPC status, its ErrorInfo reason and its HTTP status;
dialects only format them (front/dialects). Messages are for people and hold no
secret and no upstream address.
"""

from __future__ import annotations

from typing import ClassVar

import grpc

DOMAIN = "isthmus"
"""ErrorInfo.domain of everything raised here."""


class IsthmusError(Exception):
    """Base of all; never raised itself.

    param names the request field at fault. code is what OpenAI's envelope shows
    as error.code (New API's names where it has one). retry_after_ms becomes
    RetryInfo and a Retry-After header. vendor_code is the vendor's own word.
    """

    reason: ClassVar[str] = "INTERNAL"
    grpc_code: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL
    http_status: int = 500
    code: str = "internal_error"
    default_message: ClassVar[str] = "Something went wrong inside the gateway."

    def __init__(
        self,
        message: str = "",
        *,
        param: str = "",
        code: str = "",
        retry_after_ms: int = 0,
        vendor_code: str = "",
        http_status: int = 0,
    ) -> None:
        self.message = message or self.default_message
        self.param = param
        self.retry_after_ms = retry_after_ms
        self.vendor_code = vendor_code
        self.details: dict[str, str] = {}
        """More for ErrorInfo.metadata."""
        if code:
            self.code = code
        if http_status:
            self.http_status = http_status
        super().__init__(self.message)


class InvalidRequest(IsthmusError):
    """The request cannot be understood, or asks for what cannot be."""

    reason = "INVALID_REQUEST"
    grpc_code = grpc.StatusCode.INVALID_ARGUMENT
    http_status = 400
    code = "invalid_request"
    default_message = "The request is not valid."


class UnsupportedFeature(InvalidRequest):
    """The request is valid, but nothing behind this model can do it."""

    reason = "UNSUPPORTED_FEATURE"
    code = "unsupported_feature"


class PriceNotSet(InvalidRequest):
    """The model has neither a price nor a ratio."""

    reason = "PRICE_NOT_SET"
    grpc_code = grpc.StatusCode.FAILED_PRECONDITION
    code = "model_price_error"
    default_message = "The model has no price; an administrator must set one."


class Unauthenticated(IsthmusError):
    """Nobody is known to be calling."""

    reason = "UNAUTHENTICATED"
    grpc_code = grpc.StatusCode.UNAUTHENTICATED
    http_status = 401
    code = "invalid_api_key"
    default_message = "Not signed in."


class KeyMissing(Unauthenticated):
    """No key was sent."""

    reason = "KEY_MISSING"
    default_message = "No API key was given. Send it as `Authorization: Bearer sk-...`."


class KeyUnknown(Unauthenticated):
    """The key does not exist (or was deleted)."""

    reason = "KEY_UNKNOWN"
    default_message = "The API key is not valid."


class KeyDisabled(Unauthenticated):
    """The key was disabled by its owner."""

    reason = "KEY_DISABLED"
    default_message = "The API key is disabled."


class KeyExpired(Unauthenticated):
    """The key's time is over."""

    reason = "KEY_EXPIRED"
    default_message = "The API key has expired."


class KeyExhausted(Unauthenticated):
    """The key's own quota is used up."""

    reason = "KEY_EXHAUSTED"
    default_message = "The API key's quota is used up."


class SessionInvalid(Unauthenticated):
    """The session or access token is not valid or has ended."""

    reason = "SESSION_INVALID"
    code = "invalid_session"
    default_message = "The session is not valid; sign in again."


class Forbidden(IsthmusError):
    """The caller is known and may not."""

    reason = "FORBIDDEN"
    grpc_code = grpc.StatusCode.PERMISSION_DENIED
    http_status = 403
    code = "access_denied"
    default_message = "Not allowed."


class AddressNotAllowed(Forbidden):
    """The key may not be used from this address."""

    reason = "ADDRESS_NOT_ALLOWED"
    default_message = "The API key may not be used from this address."


class AccountDisabled(Forbidden):
    """The account was disabled."""

    reason = "ACCOUNT_DISABLED"
    default_message = "The account is disabled."


class GroupNotAllowed(Forbidden):
    """The account may not use the group."""

    reason = "GROUP_NOT_ALLOWED"
    default_message = "The group may not be used."


class ModelNotAllowed(Forbidden):
    """The key may not use the model."""

    reason = "MODEL_NOT_ALLOWED"
    code = "model_not_allowed"
    default_message = "The API key may not use this model."


class ChannelPinRefused(Forbidden):
    """Only administrators pin a channel, and only enabled ones."""

    reason = "CHANNEL_PIN_REFUSED"
    default_message = "The channel named in the key may not be used."


class RoleTooLow(Forbidden):
    """The account's role does not reach."""

    reason = "ROLE_TOO_LOW"
    default_message = "Your account may not do this."


class InsufficientQuota(Forbidden):
    """The account's purse does not cover the reserve."""

    reason = "INSUFFICIENT_QUOTA"
    grpc_code = grpc.StatusCode.RESOURCE_EXHAUSTED
    code = "insufficient_user_quota"
    default_message = "The account's quota does not cover this request."


class KeyQuotaExceeded(InsufficientQuota):
    """The key's purse does not cover the reserve."""

    reason = "KEY_QUOTA_EXCEEDED"
    code = "pre_consume_token_quota_failed"
    default_message = "The API key's quota does not cover this request."


class NotFound(IsthmusError):
    """It does not exist."""

    reason = "NOT_FOUND"
    grpc_code = grpc.StatusCode.NOT_FOUND
    http_status = 404
    code = "not_found"
    default_message = "Not found."


class ModelNotFound(NotFound):
    """Nobody serves the model."""

    reason = "MODEL_NOT_FOUND"
    code = "model_not_found"
    default_message = "The model does not exist, or nobody serves it here."


class RecordNotFound(NotFound):
    """The account, key, channel, receipt ... does not exist."""

    reason = "RECORD_NOT_FOUND"


class Conflict(IsthmusError):
    """It exists already, or has changed meanwhile."""

    reason = "CONFLICT"
    grpc_code = grpc.StatusCode.ALREADY_EXISTS
    http_status = 409
    code = "conflict"
    default_message = "It exists already."


class TooLarge(IsthmusError):
    """More bytes, messages or depth than a limit allows; the message names the limit."""

    reason = "TOO_LARGE"
    grpc_code = grpc.StatusCode.OUT_OF_RANGE
    http_status = 413
    code = "request_too_large"
    default_message = "The request is too large."


class RateLimited(IsthmusError):
    """Too many requests or tokens in a window."""

    reason = "RATE_LIMITED"
    grpc_code = grpc.StatusCode.RESOURCE_EXHAUSTED
    http_status = 429
    code = "rate_limit_exceeded"
    default_message = "Too many requests; try again later."


class VendorError(IsthmusError):
    """The vendor refused; http_status is its own, after the channel's mapping.

    retryable and disables are decided by routing from the status, not here.
    """

    reason = "VENDOR_ERROR"
    grpc_code = grpc.StatusCode.UNAVAILABLE
    http_status = 502
    code = "upstream_error"
    default_message = "The vendor refused the request."


class VendorUnreachable(VendorError):
    """No connection to the vendor."""

    reason = "VENDOR_UNREACHABLE"
    default_message = "The vendor could not be reached."


class VendorTimeout(VendorError):
    """The vendor was silent for too long."""

    reason = "VENDOR_TIMEOUT"
    grpc_code = grpc.StatusCode.DEADLINE_EXCEEDED
    http_status = 504
    default_message = "The vendor did not answer in time."


class VendorBroken(VendorError):
    """The vendor's answer is cut, empty, or not what it claims to be."""

    reason = "VENDOR_BROKEN"
    code = "bad_response_body"
    default_message = "The vendor's answer could not be read."


class ChannelError(IsthmusError):
    """The channel itself is wrong: no usable key, a bad override, a mapping loop."""

    reason = "CHANNEL_ERROR"
    grpc_code = grpc.StatusCode.FAILED_PRECONDITION
    code = "channel_error"
    default_message = "The channel is not set up correctly."


class NoChannel(IsthmusError):
    """The model exists, but no channel can serve it now."""

    reason = "NO_CHANNEL"
    grpc_code = grpc.StatusCode.UNAVAILABLE
    http_status = 503
    code = "model_not_found"
    default_message = "No channel can serve this model now."


class Overloaded(IsthmusError):
    """The gateway has no room: bodies in flight, journal, disk."""

    reason = "OVERLOADED"
    grpc_code = grpc.StatusCode.UNAVAILABLE
    http_status = 503
    code = "overloaded"
    default_message = "The gateway is overloaded; try again later."


class ShuttingDown(Overloaded):
    """The gateway is stopping."""

    reason = "SHUTTING_DOWN"
    default_message = "The gateway is stopping; try again."


class Internal(IsthmusError):
    """A defect; the details are in the log, under the request id."""
