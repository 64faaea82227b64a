"""What is masked in vendors' error texts, and that no text takes long: vendors quote what clients sent them."""

from __future__ import annotations

import time

import pytest

from core.vendors.shared.refusal import mask, read

SECONDS = 2.0
"""Generous: the slowest takes some milliseconds, and took ten seconds once."""


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("see api.example.com.", "see [address]."),
        ("no route to upstream.svc:8080/v1/chat (sorry)", "no route to [address] (sorry)"),
        ("at https://a.b.com/x?y=1 now", "at [address] now"),
        ("host a-b.internal-2 failed", "host [address]-2 failed"),
        ("host a.com.foo failed", "host [address].foo failed"),
        ("..example.org/path", "..[address]"),
        ("gpt-4.1-mini costs 0.5, e.g. version 1.2.3.", "gpt-4.1-mini costs 0.5, e.g. version 1.2.3."),
        ("messages.0.content is not a string", "messages.0.content is not a string"),
        ("10.0.0.1:99 and localhost:1", "[address] and [address]"),
    ],
)
def test_hosts(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("piece", ["a.", "1.", "1.1.", "a-", "1:", "com.", "a.com", "sk-", "token ", "[:", "bearer "])
def test_no_text_takes_long(piece: str) -> None:
    started = time.process_time()
    mask(piece * (8000 // len(piece)))
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize("piece", [b"<script ", b"<title>", b"<!--", b"<", b"<style>x", b"<title "])
def test_no_page_takes_long(piece: bytes) -> None:
    started = time.process_time()
    read(502, {}, piece * (16384 // len(piece)))
    assert time.process_time() - started < SECONDS


def test_what_pages_say() -> None:
    page = b"<html><style>p{}</style><!-- no --><p>Bad <b>gateway</b></p><script>x"
    assert read(502, {}, page).message == "Bad gateway"
    assert read(502, {}, b"<title>502 Bad</title><p>x</p>").message == "502 Bad"
