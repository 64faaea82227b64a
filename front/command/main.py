"""`isthmus`: the command line."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.settings import CoreSettings
from core.version import VERSION
from front.command import environment, logs
from front.command.configuration import BadSetting, describe, fill
from front.settings import FrontSettings

DEFAULT_PORT = 3000
PORT_HELP = f"default: PORT, else {DEFAULT_PORT}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="isthmus", description="A self-hosted gateway for language-model APIs.")
    parser.add_argument("--version", action="version", version=f"isthmus {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data", type=Path, help="folder of database, journals and secret (default: ISTHMUS_DATA, else ./data)"
    )
    data.add_argument("--log-level", default=environment.log_level(os.environ), help="default: INFO")

    serve = commands.add_parser("serve", parents=[data], help="runs the gateway")
    serve.add_argument(
        "--workers", type=int, default=_workers(), help="worker processes (default: one a core, two at the most)"
    )
    serve.add_argument("--host", default="0.0.0.0", help="address of the HTTP port (default: all)")  # noqa: S104
    serve.add_argument(
        "--port", type=int, default=int(os.environ.get("PORT") or DEFAULT_PORT), help=f"HTTP port; 0: any ({PORT_HELP})"
    )
    serve.add_argument("--grpc-port", type=int, help="gRPC port; 0: none (default: ISTHMUS_GRPC_PORT, else 3001)")
    serve.add_argument("--core", default="", metavar="ADDRESS", help="a front alone, for the core at this address")
    serve.add_argument("--no-front", action="store_true", help="a core alone: gRPC only")
    serve.add_argument(
        "--grace", type=float, default=30.0, help="seconds given to requests in flight at the end (default: 30)"
    )
    serve.set_defaults(run=_serve)

    demo = commands.add_parser("demo", help="gateway and Sandbox with real requests and their receipts")
    demo.add_argument("--once", action="store_true", help="end after the requests")
    demo.add_argument("--port", type=int, default=DEFAULT_PORT, help="HTTP port, or the next free one (default: 3000)")
    demo.set_defaults(run=_demo)

    migrate = commands.add_parser("migrate", parents=[data], help="brings the database up to date")
    migrate.set_defaults(run=_migrate)

    take = commands.add_parser("import", parents=[data], help="takes over the database of a New API that was stopped")
    take.add_argument(
        "--from", dest="source", required=True, metavar="DSN", help="New API's SQL_DSN, or the path of its SQLite file"
    )
    take.add_argument("--dry-run", action="store_true", help="tell what would be taken, write nothing")
    take.add_argument("--logs", action="store_true", help="the log, too, line by line")
    take.set_defaults(run=_import)

    config = commands.add_parser("config", parents=[data], help="prints the effective configuration, secrets masked")
    config.set_defaults(run=_config)

    sandbox = commands.add_parser("sandbox", help="the vendor that ships with Isthmus")
    sandbox.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    sandbox.add_argument("--port", type=int, default=3100, help="port (default: 3100)")
    sandbox.set_defaults(run=_sandbox)

    doctor = commands.add_parser("doctor", parents=[data], help="looks for what is wrong, and says what to do")
    doctor.add_argument(
        "--port", type=int, default=int(os.environ.get("PORT") or DEFAULT_PORT), help=f"HTTP port ({PORT_HELP})"
    )
    doctor.set_defaults(run=_doctor)

    ledger = commands.add_parser("ledger", help="the state of the ledger; leases of a lost node")
    actions = ledger.add_subparsers(dest="action", required=True)
    status = actions.add_parser("status", parents=[data], help="purses, leases, journals, lag")
    status.set_defaults(run=_ledger_status)
    release = actions.add_parser("release", parents=[data], help="gives back the leases of a node lost with its disk")
    release.add_argument("node", help="the node's name, as `ledger status` shows it")
    release.add_argument("--yes", action="store_true", help="do not ask")
    release.set_defaults(run=_ledger_release)
    return parser


def _workers() -> int:
    """One a core, two at the most by default."""
    return max(1, min(2, os.cpu_count() or 1))


def core_settings(arguments: argparse.Namespace) -> CoreSettings:
    """Core's settings from flags and environment."""
    settings = fill(CoreSettings, os.environ, _flags(arguments))
    environment.check(settings)
    return settings


def _flags(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of settings; None: nothing."""
    return {name: getattr(arguments, name, None) for name in ("data", "grpc_port")}


def _serve(arguments: argparse.Namespace) -> int:
    from front.command.supervisor import Plan, StartFailed, Supervisor, take_lock

    core = core_settings(arguments)
    front = fill(FrontSettings, os.environ, {})
    if arguments.core and arguments.no_front:
        raise BadSetting("--core and --no-front exclude each other")
    for warning in environment.warnings(os.environ):
        logging.getLogger("isthmus.command").warning(warning)
    if not 1 <= arguments.workers <= 256:
        raise BadSetting("--workers must be between 1 and 256")
    plan = Plan(
        core,
        front,
        arguments.workers,
        arguments.host,
        arguments.port,
        core_address=arguments.core,
        with_front=not arguments.no_front,
        grace=arguments.grace,
        log_level=arguments.log_level,
    )
    try:
        lock = None if arguments.core else take_lock(core.data, "serve.lock")
        if not arguments.core and not core.skip_migration and core.node_type != "slave":
            asyncio.run(_ready(core))
        supervisor = Supervisor(plan)
        supervisor.start()
        if plan.with_front:
            print(f"Isthmus listens on http://{arguments.host}:{supervisor.port}", flush=True)  # noqa: T201
        if core.grpc_port and not arguments.core:
            print(f"gRPC on {core.grpc_host}:{core.grpc_port}", flush=True)  # noqa: T201
        status = supervisor.run()
    except StartFailed as error:
        return _complain(str(error))
    if lock is not None:
        lock.close()
    return status


async def _ready(core: CoreSettings) -> None:
    """As _migrated(), for a start. Raises StartFailed."""
    from front.command.supervisor import StartFailed

    try:
        await _migrated(core)
    except Exception as error:
        what = logs.mask(str(error)) or type(error).__name__
        raise StartFailed(
            f"The database cannot be used: {what}. Check SQL_DSN (SQLite: --data); `isthmus doctor` tells more."
        ) from error


async def _migrated(core: CoreSettings) -> None:
    from core.store.database import Database

    database = await Database.open(core)
    try:
        await database.migrate()
    finally:
        await database.close()


def _migrate(arguments: argparse.Namespace) -> int:
    asyncio.run(_migrated(core_settings(arguments)))
    print("The database is up to date.")  # noqa: T201
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from front.command.takeover import take_over

    work = take_over(core_settings(arguments), arguments.source, dry=arguments.dry_run, logs=arguments.logs)
    return asyncio.run(work)


def _config(arguments: argparse.Namespace) -> int:
    flags = _flags(arguments)
    core, front = core_settings(arguments), fill(FrontSettings, os.environ, {})
    told = [*describe(core, os.environ, flags), *describe(front, os.environ, {})]
    print(environment.report(told, os.environ))  # noqa: T201
    for warning in environment.warnings(os.environ):
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201
    return 0


def _sandbox(arguments: argparse.Namespace) -> int:
    from front.sandbox.__main__ import main as sandbox

    sandbox(["--host", arguments.host, "--port", str(arguments.port)])
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from front.command.demo import demo

    return demo(arguments.port, arguments.once)


def _doctor(arguments: argparse.Namespace) -> int:
    from front.command.doctor import doctor

    return asyncio.run(doctor(core_settings(arguments), arguments.port))


def _ledger_status(arguments: argparse.Namespace) -> int:
    from front.command.ledger import show_status

    return asyncio.run(show_status(core_settings(arguments)))


def _ledger_release(arguments: argparse.Namespace) -> int:
    from front.command.ledger import release

    return asyncio.run(release(core_settings(arguments), arguments.node, arguments.yes))


def _complain(text: str) -> int:
    print(f"isthmus: {text}", file=sys.stderr, flush=True)  # noqa: T201
    return 1


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command; exits with its status."""
    arguments = _parser().parse_args(argv)
    logs.configure(getattr(arguments, "log_level", "INFO"))
    try:
        status = arguments.run(arguments)
    except BadSetting as error:
        status = _complain(str(error))
    except KeyboardInterrupt:
        status = 130
    except Exception as error:
        logging.getLogger("isthmus.command").debug("failed", exc_info=True)
        status = _complain(f"{type(error).__name__}: {logs.mask(str(error))}")
    sys.stdout.flush()
    sys.stderr.flush()
    # A database driver's thread must not keep a failed command alive.
    os._exit(status)


if __name__ == "__main__":
    main()
