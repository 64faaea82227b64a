"""`python -m front.sandbox --port 3100`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from front.sandbox import connection
from front.sandbox.server import Connection


def main(argv: Sequence[str] | None = None) -> None:
    """Serves until interrupted."""
    parser = argparse.ArgumentParser(prog="isthmus sandbox", description="A local vendor to try things with.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3100)
    arguments = parser.parse_args(argv)
    connection.run(Connection, arguments.host, arguments.port)


if __name__ == "__main__":
    main()
