"""The environment: every variable of New API is understood, every slip of the pen is told, secrets are not."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from core.settings import CoreSettings
from front.command import environment
from front.command.configuration import BadSetting, describe, dump, fill, load
from front.settings import FrontSettings
from tests.integration.house import run

NEW_API = [
    "PORT",
    "SQL_DSN",
    "LOG_SQL_DSN",
    "LOG_SQL_CLICKHOUSE_TTL_DAYS",
    "SQLITE_PATH",
    "SQL_MAX_IDLE_CONNS",
    "SQL_MAX_OPEN_CONNS",
    "SQL_MAX_LIFETIME",
    "SKIP_DATABASE_MIGRATION",
    "REDIS_CONN_STRING",
    "REDIS_POOL_SIZE",
    "MEMORY_CACHE_ENABLED",
    "SYNC_FREQUENCY",
    "BATCH_UPDATE_ENABLED",
    "BATCH_UPDATE_INTERVAL",
    "NODE_TYPE",
    "NODE_NAME",
    "SESSION_SECRET",
    "CRYPTO_SECRET",
    "FRONTEND_BASE_URL",
    "TZ",
    "DEBUG",
    "TLS_INSECURE_SKIP_VERIFY",
    "TRUSTED_REDIRECT_DOMAINS",
    "GLOBAL_API_RATE_LIMIT",
    "GLOBAL_API_RATE_LIMIT_ENABLE",
    "GLOBAL_API_RATE_LIMIT_DURATION",
    "GLOBAL_WEB_RATE_LIMIT",
    "GLOBAL_WEB_RATE_LIMIT_ENABLE",
    "GLOBAL_WEB_RATE_LIMIT_DURATION",
    "CRITICAL_RATE_LIMIT",
    "CRITICAL_RATE_LIMIT_ENABLE",
    "CRITICAL_RATE_LIMIT_DURATION",
    "SEARCH_RATE_LIMIT",
    "SEARCH_RATE_LIMIT_ENABLE",
    "SEARCH_RATE_LIMIT_DURATION",
    "RELAY_TIMEOUT",
    "RELAY_IDLE_CONN_TIMEOUT",
    "RELAY_MAX_IDLE_CONNS",
    "RELAY_MAX_IDLE_CONNS_PER_HOST",
    "STREAMING_TIMEOUT",
    "STREAM_SCANNER_MAX_BUFFER_MB",
    "MAX_REQUEST_BODY_MB",
    "ANONYMOUS_REQUEST_BODY_LIMIT_KB",
    "MAX_FILE_DOWNLOAD_MB",
    "GENERATE_DEFAULT_TOKEN",
    "NOTIFICATION_LIMIT_DURATION_MINUTE",
    "NOTIFY_LIMIT_COUNT",
    "CHANNEL_UPDATE_FREQUENCY",
    "CHANNEL_TEST_FREQUENCY",
    "CHANNEL_TEST_ENABLED",
    "POLLING_INTERVAL",
    "CHANNEL_UPSTREAM_MODEL_UPDATE_TASK_ENABLED",
    "CHANNEL_UPSTREAM_MODEL_UPDATE_TASK_INTERVAL_MINUTES",
    "FORCE_STREAM_OPTION",
    "GET_MEDIA_TOKEN",
    "GET_MEDIA_TOKEN_NOT_STREAM",
    "CountToken",
    "UPDATE_TASK",
    "TASK_QUERY_LIMIT",
    "TASK_TIMEOUT_MINUTES",
    "TASK_PRICE_PATCH",
    "AZURE_DEFAULT_API_VERSION",
    "COHERE_SAFETY_SETTING",
    "GEMINI_VISION_MAX_IMAGE_NUM",
    "DIFY_DEBUG",
    "ALI_ANTHROPIC_MESSAGES_MODELS",
    "ERROR_LOG_ENABLED",
    "SYNC_UPSTREAM_BASE",
    "SYNC_HTTP_TIMEOUT_SECONDS",
    "SYNC_HTTP_RETRY",
    "SYNC_HTTP_MAX_MB",
]
HOME = Path(__file__).parent.parent.parent


def test_every_variable_of_new_api_is_known() -> None:
    assert set(NEW_API) <= environment.known()


def test_every_setting_is_read_somewhere() -> None:
    """A field of the settings that no code asks for says so itself."""
    import dataclasses

    sources = "\n".join(
        path.read_text()
        for part in ("core", "front")
        for path in (HOME / part).rglob("*.py")
        if path.name != "settings.py"
    )
    for settings in (CoreSettings, FrontSettings):
        for field in dataclasses.fields(settings):
            if not field.metadata["reader"]:
                prefix = field.name.removesuffix("_enabled").removesuffix("_seconds")
                assert f".{field.name}" in sources or f'"{prefix}' in sources, f"nothing reads {field.name}"
            assert field.metadata["group"], field.name
            assert field.metadata["help"], field.name


def test_where_a_value_came_from() -> None:
    environ = {"BATCH_UPDATE_INTERVAL": "3", "NODE_TYPE": "slave", "SQL_DSN": "postgres://u:pw@h/d", "PORT": ""}
    settings = fill(CoreSettings, environ, {"data": Path("elsewhere"), "grpc_port": None})
    told = {each.name: each for each in describe(settings, environ, {"data": Path("elsewhere"), "grpc_port": None})}
    assert settings.batch_flush_seconds == 3.0
    assert told["batch_flush_seconds"].source == "BATCH_UPDATE_INTERVAL"
    assert (told["node_type"].value, told["node_type"].default) == ("slave", "master")
    assert told["data"].source == "flag"
    assert told["grpc_port"].source == "default"
    assert told["sql_dsn"].value == "********"
    both = {"BATCH_UPDATE_INTERVAL": "3", "ISTHMUS_FLUSH_SECONDS": "0.5"}
    assert fill(CoreSettings, both, {}).batch_flush_seconds == 0.5, "our own name wins"
    assert load(CoreSettings, dump(settings)) == settings


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"NODE_TYPE": "king"}, "NODE_TYPE must be one of master, slave"),
        ({"RELAY_TIMEOUT": "-1"}, "RELAY_TIMEOUT must be a number of 0 or more"),
        ({"RELAY_TIMEOUT": "nan"}, "number"),
        ({"RELAY_TIMEOUT": "inf"}, "number"),
        ({"RELAY_MAX_IDLE_CONNS": "many"}, "RELAY_MAX_IDLE_CONNS"),
        ({"TLS_INSECURE_SKIP_VERIFY": "maybe"}, "true or false"),
        ({"ISTHMUS_JOURNAL_SAFETY": "hope"}, "os, group, database"),
    ],
)
def test_what_is_wrong_is_said(environ: dict[str, str], said: str) -> None:
    with pytest.raises(BadSetting, match=said):
        fill(CoreSettings, environ, {})


def test_warnings() -> None:
    assert (
        environment.warnings({"ISTHMUS_DATA": "x", "PATH": "x", "TZ": "Asia/Shanghai", "TASK_QUERY_LIMIT": "1000"})
        == []
    )
    told = environment.warnings({"ISTHMUS_DAta": "x", "LOG_SQL_DSN": "x", "TZ": "Nowhere/Land"})
    assert [text.split(" ")[0] for text in told] == ["ISTHMUS_DAta", "LOG_SQL_DSN", "TZ"]


def test_log_level() -> None:
    assert environment.log_level({}) == "INFO"
    assert environment.log_level({"DEBUG": "true"}) == "DEBUG"
    assert environment.log_level({"DEBUG": "true", "ISTHMUS_LOG_LEVEL": "ERROR"}) == "ERROR"


def test_the_command_tells_all_of_it() -> None:
    ended = run("config", "--data", "/nowhere", SESSION_SECRET="hush-hush", ISTHMUS_TYPO="1", SYNC_FREQUENCY="60")
    assert ended.returncode == 0, ended.stderr
    for name in (*NEW_API, "[Vendors]", "full_sync_seconds = 60.0   (from SYNC_FREQUENCY; default 0.0)"):
        assert name in ended.stdout, name
    assert "data = /nowhere   (from flag" in ended.stdout
    assert "hush-hush" not in ended.stdout + ended.stderr
    assert "ISTHMUS_TYPO is no setting" in ended.stderr


def test_a_slave_never_migrates(tmp_path: Path) -> None:
    """NODE_TYPE=slave: the database is another node's business; without tables this one cannot start."""
    ended = run("serve", "--data", str(tmp_path), "--port", "0", "--grpc-port", "0", NODE_TYPE="slave")
    assert ended.returncode != 0
    with contextlib.closing(sqlite3.connect(tmp_path / "isthmus.db")) as database:
        assert database.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'").fetchone() == (0,)
