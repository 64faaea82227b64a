"""Every page with whom it is shown to: what is photographed, and looked at in both languages, schemes and sizes."""

from __future__ import annotations

from dataclasses import dataclass

from tests.console.data import ADMIN, ROOT, USER


@dataclass(frozen=True)
class Row:
    """A page of the console. name: of its pictures."""

    name: str
    path: str
    who: str = USER


PAGES = (
    Row("login", "/login", ""),
    Row("register", "/register", ""),
    Row("reset", "/reset", ""),
    Row("dashboard", "/"),
    Row("playground", "/playground"),
    Row("keys", "/keys"),
    Row("logs", "/logs"),
    Row("market", "/market"),
    Row("profile", "/profile"),
    Row("key-usage", "/key-usage", ""),
    Row("channels", "/channels", ADMIN),
    Row("channel-form", "/channels?edit=new", ADMIN),
    Row("users", "/users", ADMIN),
    Row("user-form", "/users?edit=new", ROOT),
    Row("redemptions", "/redemptions", ADMIN),
    Row("settings", "/settings", ROOT),
)
