"""Signs of life in silent streams."""

from __future__ import annotations

import asyncio

from front.silence import Silence


async def until(look, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not look():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def test_a_silent_stream_gets_signs_until_it_ends() -> None:
    sent: list[bytes] = []

    async def send(data: bytes) -> None:
        sent.append(data)

    silence = Silence(0.06, lambda: b": ping\n\n", send)
    await until(lambda: len(sent) >= 3)
    silence.stop()
    count = len(sent)
    await asyncio.sleep(0.2)
    assert len(sent) == count


async def test_a_stream_that_is_heard_gets_none() -> None:
    sent: list[bytes] = []

    async def send(data: bytes) -> None:
        sent.append(data)

    silence = Silence(30.0, lambda: b"!", send)
    for _ in range(20):
        silence.heard()
        await asyncio.sleep(0.005)
    silence.stop()
    assert not sent


async def test_a_sign_that_waits_for_a_slow_reader_is_not_followed_by_another() -> None:
    began = 0
    gate = asyncio.Event()

    async def send(data: bytes) -> None:
        nonlocal began
        began += 1
        await gate.wait()

    silence = Silence(0.05, lambda: b"!", send)
    await until(lambda: began == 1)
    await asyncio.sleep(0.3)
    assert began == 1
    gate.set()
    await until(lambda: began == 2)
    silence.stop()


async def test_none_are_sent_where_they_are_off_or_the_form_has_none() -> None:
    sent: list[bytes] = []

    async def send(data: bytes) -> None:
        sent.append(data)

    off, mute = Silence(0, lambda: b"!", send), Silence(0.05, lambda: b"", send)
    await asyncio.sleep(0.2)
    off.stop()
    mute.stop()
    assert not sent
