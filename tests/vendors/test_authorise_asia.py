"""Credentials of the Asian vendors against their documentation's own examples and an independent library."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.authorise.interface import Outside
from core.authorise.registry import ALL
from core.authorise.tencent import canonical
from core.authorise.tokens import Tokens
from core.authorise.xunfei import sign
from core.authorise.zhipu import signed
from core.errors import ChannelError, VendorBroken, VendorError, VendorUnreachable
from core.state.types import Channel
from core.upstream.interface import ConnectFailed, Timeouts, UpstreamRequest
from core.vendors.interface import Call, VendorRequest
from core.vendors.xunfei.keys import XunfeiKey

NOW = 1_700_000_000.0


class Answer:
    """A whole answer."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.headers, self._body = status, {}, body

    async def read(self, limit: int) -> bytes:
        return self._body

    async def aclose(self) -> None:
        pass


class Upstream:
    """Gives the answers it was made with, in turn."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.asked: list[UpstreamRequest] = []
        self._answers = list(answers)

    async def send(self, request: UpstreamRequest) -> Any:
        self.asked.append(request)
        await asyncio.sleep(0)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        pass


def call(secret: str) -> Call:
    channel = Channel(
        id=1, type=15, name="c", keys=(), base_url="", models=frozenset(), groups=frozenset(), priority=0, weight=0
    )
    return Call(channel, secret, "m", "m", False)


def outside(upstream: Any = None) -> Outside:
    return Outside(upstream, Tokens(), Timeouts(), clock=lambda: NOW)


def wire(url: str = "https://aip.baidubce.com/x") -> VendorRequest:
    return VendorRequest("POST", url, (("Content-Type", "application/json"),), b"{}")


def test_spark_signs_as_its_documentation_shows() -> None:
    """xfyun.cn/doc/spark/general_url_authentication.html: every value is the page's."""
    key = XunfeiKey("appid", "MjlmNzkzNmZkMDQ2OTc0ZDdmNGE2ZTZi", "addd2272b6d8b7c8abdd79531420ca3b")
    url = sign("wss://spark-api.xf-yun.com/v1.1/chat", key, 1_683_283_419)
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert query["date"] == "Fri, 05 May 2023 10:43:39 GMT"
    assert query["host"] == "spark-api.xf-yun.com"
    assert base64.b64decode(query["authorization"]).decode() == (
        'api_key="addd2272b6d8b7c8abdd79531420ca3b", algorithm="hmac-sha256", headers="host date request-line", '
        'signature="z5gHdu3pxVV4ADMyk467wOWDQ9q6BQzR3nfMTjc/DaQ="'
    )


def test_tencents_canonical_request_is_that_of_its_documentation() -> None:
    """cloud.tencent.com/document/api/213/30654: the request to CVM and its digest."""
    headers = (
        ("Content-Type", "application/json; charset=utf-8"),
        ("X-TC-Action", "DescribeInstances"),
    )
    body = b'{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}'
    request = canonical(VendorRequest("POST", "https://cvm.tencentcloudapi.com/", headers, body))
    digest = hashlib.sha256(request.encode()).hexdigest()
    assert digest == "7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84"


def test_zhipus_token_is_a_jwt_of_milliseconds() -> None:
    token = signed("id0123.secret0123456789", NOW)
    header, claims, signature = token.split(".")
    assert json.loads(unpadded(header)) == {"alg": "HS256", "typ": "JWT", "sign_type": "SIGN"}
    told = {"api_key": "id0123", "timestamp": 1_700_000_000_000, "exp": 1_700_003_600_000}
    assert json.loads(unpadded(claims)) == told
    assert unpadded(signature) == hmac.digest(b"secret0123456789", f"{header}.{claims}".encode(), "sha256")


def unpadded(text: str) -> bytes:
    """The bytes of base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(
    ("name", "secret"),
    [("zhipu", "no-dot"), ("zhipu", ".x"), ("tencent", "a|b"), ("tencent", "a||c"), ("xunfei", "a"), ("baidu", "a|")],
)
async def test_keys_of_the_wrong_form_are_the_channels_fault(name: str, secret: str) -> None:
    with pytest.raises(ChannelError, match="key must be"):
        await ALL[name](wire(), call(secret), outside())


@pytest.mark.parametrize("name", ["zhipu", "tencent"])
async def test_credentials_that_the_channels_headers_set_are_left_alone(name: str) -> None:
    own = VendorRequest("POST", "https://v.example.com/", (("authorization", "mine"),), b"{}")
    assert await ALL[name](own, call("anything"), outside()) is own


async def test_baidus_token_is_exchanged_once_for_all_who_wait() -> None:
    upstream = Upstream(Answer(200, b'{"access_token":"24.a&b","expires_in":2592000}'))
    world = outside(upstream)
    made = await asyncio.gather(*(ALL["baidu"](wire(), call("id|secret"), world) for _ in range(5)))
    assert {one.url for one in made} == {"https://aip.baidubce.com/x?access_token=24.a%26b"}
    (asked,) = upstream.asked
    assert asked.url == (
        "https://aip.baidubce.com/oauth/2.0/token?grant_type=client_credentials&client_id=id&client_secret=secret"
    )
    later = Outside(upstream, world.tokens, Timeouts(), clock=lambda: NOW + 24 * 3600)
    upstream._answers.append(Answer(200, b'{"access_token":"24.c","expires_in":2592000}'))
    assert (await ALL["baidu"](wire(), call("id|secret"), later)).url.endswith("=24.c")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (Answer(401, b'{"error":"invalid_client","error_description":"unknown client id"}'), ChannelError, "unknown"),
        (Answer(200, b'{"error":"invalid_client"}'), ChannelError, "invalid_client"),
        (Answer(503, b"<html>"), VendorError, "cannot be had"),
        (Answer(200, b"[]"), VendorBroken, "no token"),
        (ConnectFailed("x", "connect"), VendorUnreachable, "token endpoint"),
    ],
)
async def test_what_baidu_says_instead_of_a_token(answer: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        await ALL["baidu"](wire(), call("id|secret"), outside(Upstream(answer)))
