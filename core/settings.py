"""Core's configuration: typed, filled once by front.command.configuration, never read from the environment here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def setting(
    default: Any,
    help_text: str,
    *,
    env: str = "",
    also: tuple[str, ...] = (),
    group: str = "",
    secret: bool = False,
    choices: tuple[str, ...] = (),
    reader: str = "",
) -> Any:
    """A field with what `isthmus config` prints of it.

    env is its environment variable, also those that are read where that one is not set (New API's name for
    the same thing). reader says that something else obeys it, or that nothing does yet.
    """
    told = {"env": env, "also": also, "help": help_text, "group": group, "secret": secret}
    return field(default=default, metadata={**told, "choices": choices, "reader": reader})


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """Everything core can be told at start. Times are seconds, sizes bytes unless the name says otherwise."""

    data: Path = setting(
        Path("data"), "Folder of the SQLite file, the journals and the secret.", env="ISTHMUS_DATA", group="Node"
    )
    sql_dsn: str = setting(
        "",
        "postgres://user:password@host/name, mysql://user:password@host/name or user:password@tcp(host:3306)/name; "
        "empty: SQLite in the data folder.",
        env="SQL_DSN",
        secret=True,
        group="Database",
    )
    sqlite_path: str = setting(
        "", "The SQLite file; empty: isthmus.db in the data folder.", env="SQLITE_PATH", group="Database"
    )
    sql_max_open: int = setting(
        10, "Most database connections of one worker.", env="SQL_MAX_OPEN_CONNS", group="Database"
    )
    sql_max_idle: int = setting(
        1,
        "Connections kept open though idle, of PostgreSQL and MySQL.",
        env="SQL_MAX_IDLE_CONNS",
        group="Database",
    )
    sql_max_lifetime: float = setting(
        60.0,
        "Seconds a further idle connection is kept, of PostgreSQL and MySQL.",
        env="SQL_MAX_LIFETIME",
        group="Database",
    )
    redis: str = setting(
        "",
        "redis://user:password@host:6379/0: nodes count limits in a minute and at once together there; nothing else "
        "is kept in it.",
        env="REDIS_CONN_STRING",
        secret=True,
        group="Database",
    )
    redis_connections: int = setting(10, "Connections to Redis of one worker.", env="REDIS_POOL_SIZE", group="Database")
    limits_without_redis: str = setting(
        "node",
        "What holds while Redis does not answer: node (each counts for itself), closed (what is limited gets 503).",
        env="ISTHMUS_LIMITS_WITHOUT_REDIS",
        choices=("node", "closed"),
        group="Database",
    )
    skip_migration: bool = setting(False, "Do not migrate at start.", env="SKIP_DATABASE_MIGRATION", group="Database")
    node: str = setting("", "This node's name; empty: the host's.", env="NODE_NAME", group="Node")
    node_type: str = setting(
        "master",
        "slave: another node migrates the database, this one never does.",
        env="NODE_TYPE",
        group="Node",
        choices=("master", "slave"),
    )
    slot: int = setting(0, "This worker's number within the node.", group="Node")
    session_secret: str = setting(
        "",
        "Signs sessions; empty: made once and kept in the data folder.",
        env="SESSION_SECRET",
        secret=True,
        group="Secrets",
    )
    crypto_secret: str = setting(
        "",
        "Encrypts secrets at rest; empty: made once and kept in the data folder.",
        env="CRYPTO_SECRET",
        secret=True,
        group="Secrets",
    )
    generate_default_token: bool = setting(
        False,
        "Give every account that registers a key without a limit of its own.",
        env="GENERATE_DEFAULT_TOKEN",
        group="Accounts",
    )
    front_secret: str = setting(
        "",
        "What a front on another machine must show to be believed.",
        env="ISTHMUS_FRONT_SECRET",
        secret=True,
        group="Secrets",
    )
    grpc_host: str = setting("127.0.0.1", "Address of the gRPC port.", env="ISTHMUS_GRPC_HOST", group="gRPC")
    grpc_port: int = setting(3001, "The gRPC port; 0: none.", env="ISTHMUS_GRPC_PORT", group="gRPC")
    max_message_bytes: int = setting(
        160 << 20, "Largest gRPC message, both links.", env="ISTHMUS_MAX_MESSAGE_BYTES", group="gRPC"
    )
    journal_safety: str = setting(
        "os",
        "What an answer waits for: os (survives kill -9), group (fdatasync: survives power loss), database.",
        env="ISTHMUS_JOURNAL_SAFETY",
        choices=("os", "group", "database"),
        group="Ledger",
    )
    journal_limit_mb: int = setting(
        256, "Unflushed journal after which requests get 503.", env="ISTHMUS_JOURNAL_LIMIT_MB", group="Ledger"
    )
    sync_frequency: float = setting(
        0.25, "Seconds between polls of the change feed.", env="ISTHMUS_SYNC_SECONDS", group="Node"
    )
    full_sync_seconds: float = setting(
        0.0,
        "Seconds between readings of everything anew, for changes that other programs write; 0: never. What Isthmus "
        "changes is seen at once.",
        env="SYNC_FREQUENCY",
        group="Node",
    )
    session_idle_seconds: float = setting(
        14 * 86_400.0,
        "Seconds after which a session that nobody used ends; 0: only after 30 days, as all do.",
        env="ISTHMUS_SESSION_IDLE_SECONDS",
        group="Node",
    )
    time_zone: str = setting(
        "", "The zone of hours and days in expressions, such as Asia/Shanghai; empty: UTC.", env="TZ", group="Node"
    )
    relay_timeout: float = setting(
        0.0, "Longest an upstream call may take in all; 0: no limit.", env="RELAY_TIMEOUT", group="Vendors"
    )
    streaming_timeout: float = setting(300.0, "Longest silence of a vendor.", env="STREAMING_TIMEOUT", group="Vendors")
    connect_timeout: float = setting(
        10.0, "Longest wait for a connection to a vendor.", env="ISTHMUS_CONNECT_TIMEOUT", group="Vendors"
    )
    max_connections_per_host: int = setting(
        0, "Most connections to one vendor address; 0: no limit.", env="ISTHMUS_MAX_CONNS_PER_HOST", group="Vendors"
    )
    idle_connection_seconds: float = setting(
        90.0, "How long an idle connection is kept.", env="RELAY_IDLE_CONN_TIMEOUT", group="Vendors"
    )
    max_idle_connections: int = setting(
        500, "Most idle connections to vendors in all; 0: no limit.", env="RELAY_MAX_IDLE_CONNS", group="Vendors"
    )
    max_idle_per_host: int = setting(
        100, "Most idle connections to one vendor; 0: no limit.", env="RELAY_MAX_IDLE_CONNS_PER_HOST", group="Vendors"
    )
    tls_insecure: bool = setting(
        False, "Take any certificate of a vendor.", env="TLS_INSECURE_SKIP_VERIFY", group="Vendors"
    )
    event_limit_mb: int = setting(
        32, "Largest event of a vendor's stream.", env="STREAM_SCANNER_MAX_BUFFER_MB", group="Vendors"
    )
    stripe_url: str = setting(
        "https://api.stripe.com", "Stripe's API, or what stands in for it.", env="ISTHMUS_STRIPE_URL", group="Payments"
    )
    creem_url: str = setting(
        "", "Creem's API; empty: as CreemTestMode says.", env="ISTHMUS_CREEM_URL", group="Payments"
    )
    azure_api_version: str = setting(
        "2025-04-01-preview",
        "Azure's API version, where channel and client name none.",
        env="AZURE_DEFAULT_API_VERSION",
        group="Vendors",
    )
    gemini_images_most: int = setting(
        0, "Most pictures of a request to Gemini; 0: no limit.", env="GEMINI_VISION_MAX_IMAGE_NUM", group="Vendors"
    )
    max_request_mb: int = setting(
        128, "Largest request, files fetched for it included.", env="MAX_REQUEST_BODY_MB", group="Vendors"
    )
    max_file_mb: int = setting(
        64, "Largest file fetched for a request by its address.", env="MAX_FILE_DOWNLOAD_MB", group="Vendors"
    )
    fetch_seconds: float = setting(
        30.0, "Longest a file may take, its redirects included.", env="ISTHMUS_FETCH_SECONDS", group="Vendors"
    )
    fetched_in_flight_mb: int = setting(
        512,
        "Bytes of all files one worker holds at once; above, 503.",
        env="ISTHMUS_FETCHED_IN_FLIGHT_MB",
        group="Vendors",
    )
    max_answer_mb: int = setting(
        128, "Largest unstreamed answer of a vendor.", env="ISTHMUS_MAX_ANSWER_MB", group="Vendors"
    )
    error_log: bool = setting(True, "Keep a log line of requests that failed.", env="ERROR_LOG_ENABLED", group="Node")
    channel_test_enabled: bool = setting(
        False, "Test channels in rounds, whatever the options say.", env="CHANNEL_TEST_ENABLED", group="Channels"
    )
    channel_test_minutes: float = setting(
        0.0,
        "Minutes between rounds of channel tests, where the options switch none on; 0: as the options say.",
        env="CHANNEL_TEST_FREQUENCY",
        group="Channels",
    )
    polling_interval: float = setting(
        0.0, "Seconds between the channels of a round; 0: several at once.", env="POLLING_INTERVAL", group="Channels"
    )
    model_updates: bool = setting(
        True,
        "Look up vendors' models for channels that want it.",
        env="CHANNEL_UPSTREAM_MODEL_UPDATE_TASK_ENABLED",
        group="Channels",
    )
    model_update_minutes: float = setting(
        30.0,
        "Minutes between such rounds.",
        env="CHANNEL_UPSTREAM_MODEL_UPDATE_TASK_INTERVAL_MINUTES",
        group="Channels",
    )
    balance_minutes: float = setting(
        0.0, "Minutes between updates of balances; 0: none.", env="CHANNEL_UPDATE_FREQUENCY", group="Channels"
    )
    sync_upstream_base: str = setting(
        "https://basellm.github.io/llm-metadata",
        "Where models and vendors are described.",
        env="SYNC_UPSTREAM_BASE",
        group="Prices",
    )
    sync_seconds: float = setting(
        10.0, "Longest one try of it may take.", env="SYNC_HTTP_TIMEOUT_SECONDS", group="Prices"
    )
    sync_tries: int = setting(3, "How often it is tried.", env="SYNC_HTTP_RETRY", group="Prices")
    sync_max_mb: int = setting(10, "Most of one document, MB.", env="SYNC_HTTP_MAX_MB", group="Prices")
    batch_flush_seconds: float = setting(
        0.2,
        "Longest a journalled record waits for its flush.",
        env="ISTHMUS_FLUSH_SECONDS",
        also=("BATCH_UPDATE_INTERVAL",),
        group="Ledger",
    )
