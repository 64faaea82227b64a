"""Core's configuration: typed, filled once by front.command.configuration, never read from the environment here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def setting(default: Any, help_text: str, *, env: str = "", secret: bool = False) -> Any:
    """A field with what `isthmus config` prints of it: environment name, help, whether it is masked."""
    return field(default=default, metadata={"env": env, "help": help_text, "secret": secret})


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """Everything core can be told at start. Times are seconds, sizes bytes unless the name says otherwise."""

    data: Path = setting(Path("data"), "Folder of the SQLite file, the journals and the secret.", env="ISTHMUS_DATA")
    sql_dsn: str = setting("", "postgres://... ; empty: SQLite in the data folder.", env="SQL_DSN", secret=True)
    sqlite_path: str = setting("", "The SQLite file; empty: isthmus.db in the data folder.", env="SQLITE_PATH")
    sql_max_open: int = setting(10, "Most database connections of one worker.", env="SQL_MAX_OPEN_CONNS")
    skip_migration: bool = setting(False, "Do not migrate at start.", env="SKIP_DATABASE_MIGRATION")
    node: str = setting("", "This node's name; empty: the host's.", env="NODE_NAME")
    slot: int = setting(0, "This worker's number within the node.")
    session_secret: str = setting(
        "", "Signs sessions; empty: made once and kept in the data folder.", env="SESSION_SECRET", secret=True
    )
    crypto_secret: str = setting(
        "",
        "Encrypts secrets at rest; empty: made once and kept in the data folder.",
        env="CRYPTO_SECRET",
        secret=True,
    )
    generate_default_token: bool = setting(
        False, "Give every account that registers a key without a limit of its own.", env="GENERATE_DEFAULT_TOKEN"
    )
    front_secret: str = setting(
        "",
        "What a front on another machine must show to be believed.",
        env="ISTHMUS_FRONT_SECRET",
        secret=True,
    )
    grpc_host: str = setting("127.0.0.1", "Address of the gRPC port.", env="ISTHMUS_GRPC_HOST")
    grpc_port: int = setting(3001, "The gRPC port; 0: none.", env="ISTHMUS_GRPC_PORT")
    max_message_bytes: int = setting(160 << 20, "Largest gRPC message, both links.", env="ISTHMUS_MAX_MESSAGE_BYTES")
    journal_safety: str = setting(
        "os",
        "What an answer waits for: os (survives kill -9), group (fdatasync: survives power loss), database.",
        env="ISTHMUS_JOURNAL_SAFETY",
    )
    journal_limit_mb: int = setting(
        256, "Unflushed journal after which requests get 503.", env="ISTHMUS_JOURNAL_LIMIT_MB"
    )
    sync_frequency: float = setting(0.25, "Seconds between polls of the change feed.", env="ISTHMUS_SYNC_SECONDS")
    relay_timeout: float = setting(0.0, "Longest an upstream call may take in all; 0: no limit.", env="RELAY_TIMEOUT")
    streaming_timeout: float = setting(300.0, "Longest silence of a vendor.", env="STREAMING_TIMEOUT")
    connect_timeout: float = setting(10.0, "Longest wait for a connection to a vendor.", env="ISTHMUS_CONNECT_TIMEOUT")
    max_connections_per_host: int = setting(
        0, "Most connections to one vendor address; 0: no limit.", env="ISTHMUS_MAX_CONNS_PER_HOST"
    )
    idle_connection_seconds: float = setting(
        90.0, "How long an idle connection is kept.", env="RELAY_IDLE_CONN_TIMEOUT"
    )
    max_answer_mb: int = setting(128, "Largest unstreamed answer of a vendor.", env="ISTHMUS_MAX_ANSWER_MB")
    force_stream_option: bool = setting(True, "Ask vendors for usage in streams.", env="FORCE_STREAM_OPTION")
    error_log: bool = setting(True, "Keep a log line of requests that failed.", env="ERROR_LOG_ENABLED")
    batch_flush_seconds: float = setting(
        0.2, "Longest a journalled record waits for its flush.", env="ISTHMUS_FLUSH_SECONDS"
    )
