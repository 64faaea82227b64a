"""Signature Version 4: our steps give what botocore's own signer gives, and change nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from core.authorise.aws import authorise_aws, sign
from core.authorise.interface import Outside
from core.authorise.tokens import Tokens
from core.state.types import Channel
from core.upstream.interface import Timeouts
from core.vendors.bedrock.keys import AwsKey
from core.vendors.interface import Call, VendorRequest
from tests.servers.clouds import ACCESS, API_KEY, REGION, SECRET, Heard, Refused, check_signature

NOW = 1_790_000_000.0
KEY = AwsKey(REGION, access=ACCESS, secret=SECRET)
HOST = "bedrock-runtime.us-east-1.amazonaws.com"


def wire(body: bytes = b'{"a":1}', model: str = "us.amazon.nova-lite-v1%3A0") -> VendorRequest:
    headers = (("Content-Type", "application/json"), ("Accept", "application/json"))
    return VendorRequest("POST", f"https://{HOST}/model/{model}/converse", headers, body, ("x",))


def call(secret: str) -> Call:
    channel = Channel(1, 33, "c", (), "https://x", frozenset(), frozenset(), 0, 0)
    return Call(channel, secret, "m", "m", False)


def heard(request: VendorRequest) -> Heard:
    headers = {name.lower(): value for name, value in request.headers}
    return Heard(request.method, request.url.removeprefix(f"https://{HOST}"), {**headers, "host": HOST}, request.body)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["", "session+/="]), st.integers(1_000_000_000, 4_000_000_000))
def test_the_signature_is_botocores(body: bytes, session: str, now: int) -> None:
    request = wire(body)
    made = dict(sign(request, replace(KEY, session=session), now).headers)
    theirs = AWSRequest("POST", request.url, {"Content-Type": "application/json"}, body)
    with patch(
        "botocore.auth.get_current_datetime", return_value=datetime.fromtimestamp(now, UTC).replace(tzinfo=None)
    ):
        SigV4Auth(Credentials(ACCESS, SECRET, session or None), "bedrock", REGION).add_auth(theirs)
    assert made["Authorization"] == theirs.headers["Authorization"]
    assert made["X-Amz-Date"] == theirs.headers["X-Amz-Date"]
    assert made.get("X-Amz-Security-Token") == theirs.headers.get("X-Amz-Security-Token")


def test_the_server_takes_it_and_refuses_it_changed() -> None:
    signed = sign(wire(), KEY, NOW)
    assert (signed.method, signed.url, signed.body, signed.dropped) == ("POST", wire().url, b'{"a":1}', ("x",))
    check_signature(heard(signed), HOST, NOW + 10)
    changed = (
        replace(signed, body=b'{"a":2}'),
        replace(signed, url=signed.url + "-stream"),
        replace(signed, headers=tuple((n, "text/plain" if n == "Content-Type" else v) for n, v in signed.headers)),
    )
    for other in changed:
        with pytest.raises(Refused):
            check_signature(heard(other), HOST, NOW)
    with pytest.raises(Refused):
        check_signature(heard(signed), HOST, NOW + 301)
    with pytest.raises(Refused):
        check_signature(heard(sign(wire(), replace(KEY, secret="another"), NOW)), HOST, NOW)


def test_large_bodies_api_keys_and_headers_of_the_channel() -> None:
    outside = Outside(None, Tokens(), Timeouts(), clock=lambda: NOW)  # type: ignore[arg-type]

    async def run() -> None:
        secret = f"{ACCESS}|{SECRET}|{REGION}"
        large = await authorise_aws(wire(b"x" * (3 << 20)), call(secret), outside)
        check_signature(heard(large), HOST, NOW)
        plain = wire()
        assert await authorise_aws(plain, call(f"{API_KEY}|{REGION}"), outside) is plain
        own = replace(plain, headers=(*plain.headers, ("authorization", "Bearer mine")))
        assert await authorise_aws(own, call(secret), outside) is own

    asyncio.run(run())
