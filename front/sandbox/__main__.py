"""`python -m front.sandbox --port 3100`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Sequence

from front.sandbox.server import serve


async def _run(host: str, port: int) -> None:
    """Serves until cancelled."""
    async with await serve(host, port) as server:
        await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until interrupted."""
    parser = argparse.ArgumentParser(prog="isthmus sandbox", description="A local vendor to try things with.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3100)
    arguments = parser.parse_args(argv)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(arguments.host, arguments.port))


if __name__ == "__main__":
    main()
