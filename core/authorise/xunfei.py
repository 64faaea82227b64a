"""iFlytek: the address of the websocket is signed (xfyun.cn/doc/spark/general_url_authentication.html)."""

from __future__ import annotations

import base64
import hmac
from dataclasses import replace
from email.utils import formatdate
from urllib.parse import urlencode, urlsplit

from core.authorise.interface import Outside
from core.errors import ChannelError
from core.vendors.interface import Call, VendorRequest
from core.vendors.xunfei.keys import XunfeiKey, parse


async def authorise_xunfei(wire: VendorRequest, call: Call, outside: Outside) -> VendorRequest:
    """Signs the address. Raises ChannelError where the key is not one."""
    try:
        key = parse(call.secret)
    except ValueError as error:
        raise ChannelError(str(error)) from None
    return replace(wire, url=sign(wire.url, key, outside.clock()))


def sign(url: str, key: XunfeiKey, now: float) -> str:
    """The address with host, date and authorization in its query. now: Unix seconds."""
    address = urlsplit(url)
    date = formatdate(now, usegmt=True)
    text = f"host: {address.netloc}\ndate: {date}\nGET {address.path} HTTP/1.1"
    signature = base64.b64encode(hmac.digest(key.secret.encode(), text.encode(), "sha256")).decode()
    told = f'api_key="{key.key}", algorithm="hmac-sha256", headers="host date request-line", signature="{signature}"'
    query = {"authorization": base64.b64encode(told.encode()).decode(), "date": date, "host": address.netloc}
    return f"{url}?{urlencode(query)}"
