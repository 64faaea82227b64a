"""One-time passwords: the vectors of RFC 4226 (appendix D) and RFC 6238 (appendix B), the window, single use."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.manage import totp

SEED = b"12345678901234567890"
SECRET = totp.encode_secret(SEED)
COUNTERS = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]
TIMES = (59, 1111111109, 1111111111, 1234567890, 2000000000, 20000000000)
BY_TIME = {
    ("sha1", 20): "94287082 07081804 14050471 89005924 69279037 65353130",
    ("sha256", 32): "46119246 68084774 67062674 91819424 90698825 77737706",
    ("sha512", 64): "90693936 25091201 99943326 93441116 38618901 47863826",
}


@pytest.mark.parametrize(("counter", "expected"), list(enumerate(COUNTERS)))
def test_rfc_4226(counter: int, expected: str) -> None:
    assert totp.password(SEED, counter) == expected


@pytest.mark.parametrize(
    ("algorithm", "length", "time", "expected"),
    [
        (algorithm, length, time, code)
        for (algorithm, length), codes in BY_TIME.items()
        for time, code in zip(TIMES, codes.split(), strict=True)
    ],
)
def test_rfc_6238(algorithm: str, length: int, time: int, expected: str) -> None:
    key = (SEED * 4)[:length]
    assert totp.password(key, time // 30, digits=8, algorithm=algorithm) == expected


@given(st.integers(1000, 1 << 40), st.integers(-5, 5))
def test_the_window(now: int, off: int) -> None:
    step = now // 30 + off
    code = totp.password(SEED, step)
    found = totp.find_step(SECRET, code, now, 0)
    if abs(off) <= totp.WINDOW:
        assert found >= step, "a later step of the window may have the same six digits"
        assert totp.password(SEED, found) == code
    elif found:
        assert totp.password(SEED, found) == code, "another step of the window, by chance"
    assert totp.find_step(SECRET, code, now, now // 30 + 1) == 0, "what was used, and all before it, is no more"


def test_what_is_no_code() -> None:
    for code in ("", "0" * 6, "12345", "\uff11" * 6, "x" * 64):
        assert totp.find_step(SECRET, code, 59, 0) == 0


def test_uri() -> None:
    parts = urlsplit(totp.uri(SECRET, "My: site & co", "ada/x@y"))
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parts.path == "/My%3A%20site%20%26%20co%3Aada%2Fx%40y"
    told = parse_qs(parts.query)
    assert told == {"secret": [SECRET], "issuer": ["My: site & co"], "digits": ["6"], "period": ["30"]}
    assert len(totp.encode_secret(b"x" * totp.SECRET_BYTES)) == 32
