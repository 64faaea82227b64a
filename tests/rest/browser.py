"""A browser at a gateway: it keeps cookies, and says which page asks."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.cookiejar import Cookie, CookieJar
from typing import Any

from tests.integration.house import PASSWORD, House, Reply


class Browser:
    """One user's; account is who New-Api-User names, 0: nobody."""

    def __init__(self, house: House, origin: str = "") -> None:
        self.house, self.origin, self.account = house, origin, 0
        self.jar = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar), _Stay()
        )

    def ask(self, method: str, path: str, body: Any = None) -> Reply:
        """Any route; redirects are answers."""
        headers = {"Content-Type": "application/json"}
        if self.account:
            headers["New-Api-User"] = str(self.account)
        if self.origin and method != "GET":
            headers |= {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.house.base + path, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=60) as answer:
                return Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        except urllib.error.HTTPError as error:
            return Reply(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())

    def get(self, method: str, path: str, body: Any = None) -> Any:
        """The data of a route that must succeed."""
        reply = self.ask(method, path, body)
        answer = reply.json()
        assert answer["success"], (method, path, reply.status, answer)
        return answer.get("data")

    def refused(self, method: str, path: str, body: Any = None, status: int = 200) -> str:
        """The message of a route that must refuse."""
        reply = self.ask(method, path, body)
        answer = reply.json()
        assert not answer["success"], (method, path, answer)
        assert reply.status == status, (method, path, reply.status, answer)
        return str(answer["message"])

    def sign_in(self, name: str, password: str = PASSWORD) -> Browser:
        """By password."""
        self.account = int(self.get("POST", "/api/user/login", {"username": name, "password": password})["id"])
        return self

    def cookie(self, name: str) -> Cookie | None:
        """A cookie it holds."""
        return next((each for each in self.jar if each.name == name), None)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
