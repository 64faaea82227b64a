"""ID tokens: right ones, and each thing that can be wrong with one."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from core.identity.id_token import BadToken, KeyUnknown, verify

ISSUER, CLIENT = "https://id.example", "client-1"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
JWKS = {
    "keys": [
        {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())), "kid": "r", "use": "sig"},
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC.public_key())), "kid": "e", "alg": "ES256"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "o"},
        {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())), "kid": "enc", "use": "enc"},
        "nonsense",
    ]
}


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    told = {"iss": ISSUER, "aud": CLIENT, "sub": "s", "iat": now, "exp": now + 60, "nonce": "n", **changed}
    return {name: value for name, value in told.items() if value is not None}


def token(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "r", **changed: Any) -> str:
    return jwt.encode(claims(**changed), key, algorithm=algorithm, headers={"kid": kid} if kid else {})


def test_right() -> None:
    for good in (token(), token(EC, "ES256", "e"), token(algorithm="PS256"), token(aud=[CLIENT]),
                 token(aud=[CLIENT, "b"], azp=CLIENT)):  # fmt: skip
        assert verify(good, JWKS, issuer=ISSUER, client_id=CLIENT, nonce="n")["sub"] == "s"
    one = {"keys": JWKS["keys"][:1]}
    assert verify(token(kid=None), one, issuer=ISSUER, client_id=CLIENT)["sub"] == "s"


WRONG = {
    "issuer": token(iss="https://other.example"), "no issuer": token(iss=None), "audience": token(aud="client-2"),
    "no audience": token(aud=None), "several": token(aud=[CLIENT, "b"]), "other party": token(azp="client-2"),
    "expired": token(exp=int(time.time()) - 120), "no end": token(exp=None), "future": token(iat=int(time.time()) + 900),
    "not yet": token(nbf=int(time.time()) + 900), "no subject": token(sub=None), "nonce": token(nonce="m"),
    "no nonce": token(nonce=None), "key": token(rsa.generate_private_key(65537, 2048)), "unknown key": token(kid="x"),
    "encryption key": token(kid="enc"), "ambiguous": token(kid=None),
    "symmetric": token("secret-secret-secret-secret-secret", "HS256", "o"), "other kind": token(EC, "ES256", "r"),
    "none": jwt.encode(claims(), "", algorithm="none", headers={"kid": "r"}),
    "public key as secret": jwt.encode(claims(), "x" * 40, algorithm="HS256", headers={"kid": "r"}),
    "empty": "", "no token": "a.b.c", "long": "a" * 40_000,
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name: str) -> None:
    with pytest.raises(BadToken):
        verify(WRONG[name], JWKS, issuer=ISSUER, client_id=CLIENT, nonce="n")


@pytest.mark.parametrize("jwks", [None, [], {}, {"keys": 1}, {"keys": []}])
def test_no_keys(jwks: Any) -> None:
    with pytest.raises(KeyUnknown):
        verify(token(), jwks, issuer=ISSUER, client_id=CLIENT)
