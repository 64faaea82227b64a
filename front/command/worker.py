"""One worker process: a front and a core joined by a LocalChannel, or one of them alone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import socket
import sys
from typing import Any

import grpc
import uvloop

from core.node import Node, open_node
from core.settings import CoreSettings
from front.app import create_app
from front.command import logs
from front.command.configuration import load
from front.connection import Connection
from front.limits import Limits
from front.settings import FrontSettings
from front.spread import SpreadChannel

logger = logging.getLogger("isthmus.worker")

AFTER_DRAIN_SECONDS = 2.0
"""What is left of the grace for gRPC callers once HTTP clients had theirs."""
GARBAGE = (20_000, 20, 50)
"""gc.set_threshold: a request makes some 200 objects, nearly all of them freed by their count alone."""
CHANNELS_TO_CORE = 4
"""gRPC connections a front alone opens: one stays with one of the core's workers."""


def core_channel(address: str, settings: CoreSettings) -> SpreadChannel:
    """Connections to a core elsewhere; each channel has a pool of its own, else they would share one."""
    options = [
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return SpreadChannel([grpc.aio.insecure_channel(address, options=options) for _ in range(CHANNELS_TO_CORE)])


def settle_garbage() -> None:
    """What is here now stays: collections need not look at it again, and need not come every 700 objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def tell_state(slot: int, node: Node | None, app: Any) -> None:
    """On SIGUSR1: what the worker holds just now, as a line of the log."""
    state = {"slot": slot, "pid": os.getpid(), "tasks": len(asyncio.all_tasks())}
    if app is not None:
        state["requests"] = app.ctx.flight.running
    if node is not None:
        state["exchanges"] = node.relay.running
    logger.warning("state", extra=state)


async def serve(message: dict[str, Any]) -> None:
    """Serves until SIGTERM, or until the supervisor is gone."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_reader(sys.stdin.fileno(), stop.set)
    core = load(CoreSettings, message["core"])
    front = load(FrontSettings, message["front"])
    node: Node | None = None
    app: Any = None
    if message["core_address"]:
        channel: Any = core_channel(message["core_address"], core)
    else:
        node = await open_node(core)
        channel = node.local_channel()
    try:
        if node is not None:
            await node.listen()
        server: Any = None
        if message["socket"] >= 0:
            sock = socket.socket(fileno=message["socket"])
            sock.setblocking(False)
            app = create_app(channel, front, Limits(front, message["limits"]))
            server = await app.create_server(
                sock=sock, protocol=Connection, return_asyncio_server=True, access_log=False
            )
            assert server is not None
            await server.startup()
            await server.start_serving()
        loop.add_signal_handler(signal.SIGUSR1, tell_state, core.slot, node, app)
        settle_garbage()
        os.write(message["ready"], b"1")
        os.close(message["ready"])
        logger.info("ready", extra={"slot": core.slot, "pid": os.getpid()})
        await stop.wait()
        loop.remove_reader(sys.stdin.fileno())
        if app is not None and server is not None:
            server.close()
            if node is not None:
                await node.turn_away()
            await app.ctx.drain(message["grace"] * 0.8)
        if node is not None:
            node.relay.cutting = True
    finally:
        with contextlib.suppress(Exception):
            await channel.close()
        if node is not None:
            await node.close(AFTER_DRAIN_SECONDS if app is not None else message["grace"] * 0.8)
    logger.info("stopped", extra={"slot": core.slot})


def main() -> None:
    """Reads what to do from standard input (one JSON line), then serves."""
    message = json.loads(sys.stdin.buffer.readline())
    logs.configure(message["log_level"])
    status = 0
    try:
        uvloop.run(serve(message))
    except Exception:
        logger.exception("the worker failed")
        status = 1
    logging.shutdown()
    # A thread of a database driver must not keep a failed worker alive.
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
