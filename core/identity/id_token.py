"""ID tokens (OpenID Connect Core, 3.1.3.7): signature by published keys, issuer, audience, times, nonce."""

from __future__ import annotations

import hmac
from typing import Any

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""None without a signature, none whose key is the client's secret."""
LEEWAY_SECONDS = 60
TOKEN_MOST = 32_768


class BadToken(Exception):
    """The text says what is wrong, without the token."""


class KeyUnknown(BadToken):
    """No published key has the token's id: the provider may have changed them."""


def verify(token: str, jwks: Any, *, issuer: str, client_id: str, nonce: str = "") -> dict[str, Any]:
    """The claims. nonce "" where none was sent. Raises BadToken."""
    import jwt

    if len(token) > TOKEN_MOST:
        raise BadToken("The ID token is none.")
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise BadToken("The ID token is not signed as it should be.")
        claims: dict[str, Any] = jwt.decode(
            token,
            _key(jwks, header),
            algorithms=list(ALGORITHMS),
            audience=client_id,
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except (jwt.PyJWTError, TypeError, ValueError) as error:  # keys may be published malformed
        raise BadToken(f"The ID token is not valid: {type(error).__name__}.") from error
    audience = claims["aud"]
    if isinstance(audience, list) and len(audience) > 1 and "azp" not in claims:
        raise BadToken("The ID token is for several, and does not say for whom.")
    if claims.get("azp", client_id) != client_id:
        raise BadToken("The ID token was made for another client.")
    if nonce and not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise BadToken("The ID token was made for another sign-in.")
    return claims


def _key(jwks: Any, header: dict[str, Any]) -> Any:
    """The published key that a token names. Raises KeyUnknown."""
    import jwt

    known = jwks.get("keys") if isinstance(jwks, dict) else None
    usable = [
        each
        for each in (known if isinstance(known, list) else [])[:100]
        if isinstance(each, dict) and each.get("kty") in ("RSA", "EC", "OKP") and each.get("use", "sig") == "sig"
    ]
    named = header.get("kid")
    found = [each for each in usable if each.get("kid") == named] if named is not None else usable
    if len(found) != 1:
        raise KeyUnknown("The ID token's key is not published.")
    return jwt.PyJWK(found[0], algorithm=found[0].get("alg") or header.get("alg"))
