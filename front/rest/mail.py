"""What is done by mail: codes, a forgotten password, one's own address."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import access_pb2

from front.rest.manager import Call, Level, Route
from front.rest.session import turnstile


async def verification(c: Call) -> Any:
    """A code to an address that is free; another mail to one that is not."""
    await c.m.access.SendVerification(
        access_pb2.SendVerificationRequest(email=c.text("email"), turnstile=turnstile(c)), metadata=c.who
    )


async def forgotten(c: Call) -> Any:
    """A link, if there is such an account; which is not told."""
    await c.m.access.SendReset(
        access_pb2.SendResetRequest(email=c.text("email"), turnstile=turnstile(c)), metadata=c.who
    )


async def reset(c: Call) -> Any:
    """The new password."""
    body = await c.body()
    asked = access_pb2.ResetPasswordRequest(email=body.text("email"), token=body.text("token"))
    return (await c.m.access.ResetPassword(asked, metadata=c.who)).password


async def bind(c: Call) -> Any:
    """Sets one's own address, by the code that was mailed to it."""
    body = await c.body()
    await c.m.access.BindEmail(
        access_pb2.BindEmailRequest(email=body.text("email"), code=body.text("code")), metadata=c.who
    )


ROUTES = (
    Route("GET", "/api/verification", Level.PUBLIC, verification, limit="email"),
    Route("GET", "/api/reset_password", Level.PUBLIC, forgotten, limit="critical"),
    Route("POST", "/api/user/reset", Level.PUBLIC, reset, limit="critical"),
    Route("POST", "/api/oauth/email/bind", Level.USER, bind, limit="critical"),
)
