"""An OAuth provider as data: where it is, what it is asked, where in its answer a person is. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from core.options.kinds import TRUE

AUTO, IN_BODY, IN_HEADER = 0, 1, 2
"""auth_style (New API's numbers): how the client's secret is sent; AUTO is IN_BODY."""
SUBJECT_MOST = 255
NAME_MOST = 64
BUILT_IN = ("github", "discord", "oidc", "linuxdo", "telegram", "wechat")
RESERVED = frozenset({*BUILT_IN, "state", "email", "complete", "google", "lark"})
"""What no custom provider may be called: its path would lead elsewhere."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Paths in the answer (core/identity/paths.py)."""

    subject: str = "sub"
    username: str = "preferred_username"
    display_name: str = "name"
    email: str = "email"
    verified: str = "email_verified"
    """Says that the address was proven; "": the provider tells proven addresses alone."""


@dataclass(frozen=True, slots=True)
class Provider:
    """slug is its name in paths, key the one its people are filed under. well_known makes it OpenID Connect."""

    slug: str
    key: str
    name: str
    client_id: str
    client_secret: str
    authorization: str
    token: str
    user: str
    scopes: str
    enabled: bool = True
    fields: Fields = Fields()
    auth_style: int = AUTO
    well_known: str = ""
    policy: str = ""
    denied: str = ""
    """What is told to whom the policy refuses."""
    callback: str = ""
    """Path of the callback where it is not /oauth/<slug>."""
    tells_callback: bool = True
    """The callback is part of what is asked."""

    @property
    def openid(self) -> bool:
        """Whether it must give an ID token."""
        return bool(self.well_known) and "openid" in self.scopes.split()

    def redirect_uri(self, site: str) -> str:
        """The callback at this site."""
        return site.rstrip("/") + (self.callback or f"/oauth/{self.slug}")

    def authorization_url(self, site: str, state: str, challenge: str, nonce: str) -> str:
        """Where the browser is sent (RFC 6749, 4.1.1; PKCE: RFC 7636, S256)."""
        asked = {"response_type": "code", "client_id": self.client_id, "state": state}
        if self.scopes:
            asked["scope"] = self.scopes
        asked["redirect_uri"] = self.redirect_uri(site)
        asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        if self.openid:
            asked["nonce"] = nonce
        return self.authorization + ("&" if urlsplit(self.authorization).query else "?") + urlencode(asked)


def built_in(slug: str, raw: Mapping[str, str]) -> Provider | None:
    """One of New API's own providers, as the options say; None: there is no such one by code and state."""
    if slug == "github":
        # https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps. The address of a
        # public profile is one of those the person has proven.
        return Provider(
            slug, slug, "GitHub", raw["GitHubClientId"], raw["GitHubClientSecret"],
            "https://github.com/login/oauth/authorize", "https://github.com/login/oauth/access_token",
            "https://api.github.com/user", "user:email", raw["GitHubOAuthEnabled"] == TRUE,
            Fields("id", "login", "name", "email", ""), tells_callback=False,
        )  # fmt: skip
    if slug == "discord":
        # https://discord.com/developers/docs/topics/oauth2
        return Provider(
            slug, slug, "Discord", raw["discord.client_id"], raw["discord.client_secret"],
            "https://discord.com/oauth2/authorize", "https://discord.com/api/v10/oauth2/token",
            "https://discord.com/api/v10/users/@me", "identify email", raw["discord.enabled"] == TRUE,
            Fields("id", "username", "global_name", "email", "verified"),
        )  # fmt: skip
    if slug == "linuxdo":
        least = int(raw["LinuxDOMinimumTrustLevel"] or 0)
        trust = {"conditions": [{"field": "trust_level", "op": "gte", "value": least}]}
        return Provider(
            slug, slug, "Linux DO", raw["LinuxDOClientId"], raw["LinuxDOClientSecret"],
            "https://connect.linux.do/oauth2/authorize", "https://connect.linux.do/oauth2/token",
            "https://connect.linux.do/api/user", "", raw["LinuxDOOAuthEnabled"] == TRUE,
            Fields("id", "username", "name", "", ""), auth_style=IN_HEADER, callback="/api/oauth/linuxdo",
            policy=json.dumps(trust) if least else "", denied=f"Trust level {least} or more is wanted.",
        )  # fmt: skip
    if slug == "oidc":
        return Provider(
            slug, slug, "OIDC", raw["oidc.client_id"], raw["oidc.client_secret"],
            raw["oidc.authorization_endpoint"], raw["oidc.token_endpoint"], raw["oidc.user_info_endpoint"],
            "openid profile email", raw["oidc.enabled"] == TRUE, well_known=raw["oidc.well_known"],
        )  # fmt: skip
    return None


def custom(row: Any) -> Provider:
    """A row of custom_oauth_providers, its secret readable."""
    return Provider(
        row.slug, f"custom:{row.id}", row.name, row.client_id, row.client_secret, row.authorization_endpoint,
        row.token_endpoint, row.user_info_endpoint, row.scopes, bool(row.enabled),
        Fields(row.user_id_field, row.username_field, row.display_name_field, row.email_field),
        int(row.auth_style), row.well_known, row.access_policy, row.access_denied_message,
    )  # fmt: skip
