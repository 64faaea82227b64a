"""Accounts of every level at a running gateway, signed in by session."""

from __future__ import annotations

import itertools
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests.integration.house import PASSWORD, House, Reply, http

_numbers = itertools.count(1)


@dataclass
class Person:
    """Somebody with a session; nobody has none."""

    house: House
    id: int = 0
    name: str = ""
    cookie: str = ""

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Any route."""
        known = {"Cookie": self.cookie, "New-Api-User": str(self.id)} if self.cookie else {}
        return http(method, self.house.base + path, body, {**known, **headers})

    def open(self, method: str, path: str) -> Any:
        """Any route whose answer is read as it comes: a file of bytes with headers."""
        headers = {"Cookie": self.cookie, "New-Api-User": str(self.id)}
        request = urllib.request.Request(self.house.base + path, headers=headers, method=method)
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)

    def get(self, method: str, path: str, body: Any = None) -> Any:
        """The data of a route that must succeed."""
        reply = self.ask(method, path, body)
        answer = reply.json()
        assert answer["success"], (method, path, reply.status, answer)
        return answer.get("data")

    def refused(self, method: str, path: str, body: Any = None) -> str:
        """The message of a route that must refuse, with status 200."""
        reply = self.ask(method, path, body)
        answer = reply.json()
        assert not answer["success"], (method, path, answer)
        assert reply.status == 200, (method, path, reply.status, answer)
        return str(answer["message"])

    def key(self, **fields: Any) -> tuple[int, str]:
        """A new API key: id and secret with sk-."""
        token = {"name": "k", "expired_time": -1, "remain_quota": 1_000_000, "unlimited_quota": False}
        self.get("POST", "/api/token/", {**token, **fields})
        newest = max(self.get("GET", "/api/token/?page_size=100")["items"], key=lambda item: item["id"])
        secret = self.get("POST", f"/api/token/{newest['id']}/key")["key"]
        return int(newest["id"]), "sk-" + secret


def sign_in(house: House, name: str, password: str = PASSWORD) -> Person:
    """Opens a session."""
    reply = http("POST", house.base + "/api/user/login", {"username": name, "password": password})
    answer = reply.json()
    assert answer["success"], answer
    return Person(house, answer["data"]["id"], name, reply.headers["set-cookie"].split(";")[0])


def make(house: House, role: int = 1, quota: int = 0) -> Person:
    """A new account with a session; roles 1 and 10."""
    name = f"person{next(_numbers)}"
    house.manage("POST", "/api/user/", {"username": name, "password": PASSWORD, "role": role})
    person = sign_in(house, name)
    if quota:
        house.manage(
            "POST", "/api/user/manage", {"id": person.id, "action": "add_quota", "mode": "add", "value": quota}
        )
    return person
