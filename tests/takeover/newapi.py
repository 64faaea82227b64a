"""Databases as New API leaves them, in each of its three engines: spec/data-model.md as tables, with rows of every kind.

Types are those its ORM makes of the model: bool is numeric in SQLite, tinyint(1) in MySQL; JSON is a blob in SQLite,
json in MySQL and PostgreSQL; char(n) is padded by PostgreSQL; deleted_at is a real timestamp.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
import bcrypt
import pymysql

PASSWORD = "the-old-password-1"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode()
KEY = "Ab3" * 16
SPENT_KEY, ORPHAN_KEY, GONE_KEY, DEBT_KEY = "s" * 48, "o" * 48, "g" * 48, "d" * 48
ACCESS_TOKEN = "access-token-of-28-letters+/"
CODE = "0123456789abcdef0123456789abcdef"
SEED = "JBSWY3DPEHPK3PXP"

TYPES = {
    "sqlite": {"id": "integer PRIMARY KEY AUTOINCREMENT", "int": "integer", "int32": "integer", "bool": "numeric",
               "text": "text", "json": "json", "time": "datetime", "double": "real"},
    "mysql": {"id": "bigint AUTO_INCREMENT PRIMARY KEY", "int": "bigint", "int32": "int", "bool": "tinyint(1)",
              "text": "longtext", "json": "json", "time": "datetime(3)", "double": "double"},
    "postgres": {"id": "bigserial PRIMARY KEY", "int": "bigint", "int32": "integer", "bool": "boolean",
                 "text": "text", "json": "json", "time": "timestamptz", "double": "numeric"},
}  # fmt: skip

TABLES: dict[str, str] = {
    "users": """id:id username:vc(191) password:text display_name:vc(191) role:int32 status:int32 email:vc(191)
        github_id:vc(191) linux_do_id:vc(191) shade:vc(191) access_token:char(32) quota:int32 used_quota:int32 request_count:int32 group:vc(64)
        aff_code:vc(32) aff_count:int32 aff_quota:int32 aff_history:int32 inviter_id:int32 deleted_at:time setting:text
        remark:vc(255) stripe_customer:vc(64) created_at:int last_login_at:int""",
    "tokens": """id:id user_id:int key:char(48) status:int name:vc(191) created_time:int accessed_time:int
        expired_time:int remain_quota:int unlimited_quota:bool model_limits_enabled:bool model_limits:vc(1024)
        allow_ips:text used_quota:int group:vc(191) cross_group_retry:bool deleted_at:time""",
    "channels": """id:id type:int key:text open_ai_organization:text test_model:text status:int name:vc(191) weight:int
        created_time:int test_time:int response_time:int base_url:vc(191) other:text balance:double
        balance_updated_time:int models:text group:vc(64) used_quota:int model_mapping:text status_code_mapping:vc(1024)
        priority:int auto_ban:int other_info:text tag:vc(191) setting:text param_override:text header_override:text
        remark:vc(255) channel_info:json settings:text""",
    "abilities": "group:vc(64) model:vc(191) channel_id:int enabled:bool priority:int weight:int tag:vc(191)",
    "options": "key:vc(191) value:text",
    "redemptions": """id:id user_id:int key:char(32) status:int name:vc(191) quota:int created_time:int
        redeemed_time:int used_user_id:int deleted_at:time expired_time:int""",
    "two_fas": """id:id user_id:int secret:vc(255) is_enabled:bool failed_attempts:int locked_until:time
        last_used_at:time created_at:time updated_at:time deleted_at:time""",
    "passkey_credentials": """id:id user_id:int credential_id:vc(512) public_key:text attestation_type:vc(255)
        aa_guid:vc(512) sign_count:int clone_warning:bool user_present:bool user_verified:bool backup_eligible:bool
        backup_state:bool transports:text attachment:vc(32) last_used_at:time created_at:time updated_at:time
        deleted_at:time""",
    "two_fa_backup_codes": "id:id user_id:int code_hash:vc(255) is_used:bool used_at:time created_at:time",
    "custom_oauth_providers": """id:id name:vc(64) slug:vc(64) icon:vc(128) enabled:bool client_id:vc(256)
        client_secret:vc(512) authorization_endpoint:vc(512) token_endpoint:vc(512) user_info_endpoint:vc(512)
        scopes:vc(256) user_id_field:vc(128) username_field:vc(128) display_name_field:vc(128) email_field:vc(128)
        well_known:vc(512) auth_style:int access_policy:text access_denied_message:vc(512) created_at:time
        updated_at:time""",
    "user_oauth_bindings": "id:id user_id:int provider_id:int provider_user_id:vc(256) created_at:time",
    "checkins": "id:id user_id:int checkin_date:vc(10) quota_awarded:int created_at:int",
    "vendors": """id:id name:vc(128) description:text icon:vc(128) status:int created_time:int updated_time:int
        deleted_at:time""",
    "models": """id:id model_name:vc(128) description:text icon:vc(128) tags:vc(255) vendor_id:int endpoints:text
        status:int sync_official:int created_time:int updated_time:int deleted_at:time name_rule:int""",
    "prefill_groups": """id:id name:vc(64) type:vc(32) items:json description:vc(255) created_time:int updated_time:int
        deleted_at:time""",
    "midjourneys": "id:id code:int user_id:int action:vc(40) mj_id:vc(191)",
    "setups": "id:id version:vc(50) initialized_at:int",
    "logs": """id:id user_id:int created_at:int type:int content:text username:vc(191) token_name:vc(191)
        model_name:vc(191) quota:int prompt_tokens:int completion_tokens:int use_time:int is_stream:bool channel_id:int
        channel_name:text token_id:int group:vc(191) ip:vc(191) request_id:vc(64) upstream_request_id:vc(128)
        other:text""",
    "top_ups": """id:id user_id:int amount:int money:double trade_no:vc(255) payment_method:vc(50) create_time:int
        complete_time:int status:vc(191)""",
}

WHEN = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
INFO = {"is_multi_key": True, "multi_key_size": 2, "multi_key_status_list": {"1": 3}, "multi_key_mode": "polling"}


def rows(sandbox: str = "http://127.0.0.1:1") -> dict[str, list[dict[str, Any]]]:
    """What a site of some age holds. sandbox: the address of its channels' vendor."""
    user = {"password": HASH, "role": 1, "status": 1, "group": "default", "created_at": 1700000000, "quota": 0,
            "used_quota": 0, "request_count": 0, "aff_quota": 0, "aff_history": 0, "inviter_id": 0}  # fmt: skip
    token = {"user_id": 2, "status": 1, "expired_time": -1, "remain_quota": 0, "unlimited_quota": False,
             "used_quota": 0, "model_limits_enabled": False, "created_time": 1700000000, "group": "",
             "cross_group_retry": False}  # fmt: skip
    channel = {"type": 1, "status": 1, "base_url": sandbox, "group": "default", "weight": 0, "priority": 0,
               "balance": 0, "used_quota": 0}  # fmt: skip
    return {
        "users": [
            {**user, "id": 1, "username": "root", "role": 100, "quota": 100_000_000, "access_token": ACCESS_TOKEN,
             "aff_code": "AAAA", "setting": '{"record_ip_log": true, "notify_type": "email"}', "remark": "the boss"},
            {**user, "id": 2, "username": "ada", "display_name": "Ada ❤", "email": "ada@example.org",
             "quota": 2_147_483_647, "used_quota": 1_234_567, "request_count": 77, "aff_code": "BBBB", "aff_quota": 30,
             "aff_history": 100, "github_id": "4711", "linux_do_id": "12", "stripe_customer": "cus_1"},
            {**user, "id": 3, "username": "owes", "quota": -500, "used_quota": 2_000, "aff_code": "CCCC",
             "inviter_id": 2, "github_id": "4711"},
            {**user, "id": 4, "username": "gone", "quota": 9, "aff_code": "DDDD", "shade": "of a fork", "deleted_at": WHEN},
            {**user, "id": 7, "username": "guest", "role": 0, "aff_code": ""},
        ],
        "tokens": [
            {**token, "id": 1, "key": KEY, "name": "main", "remain_quota": 5_000_000, "used_quota": 321,
             "model_limits_enabled": True, "model_limits": "gpt-4o,gpt-4o-mini", "allow_ips": "127.0.0.1\n10.0.0.0/8,\n"},
            {**token, "id": 2, "key": SPENT_KEY, "name": "spent", "status": 4},
            {**token, "id": 3, "key": ORPHAN_KEY, "name": "orphan", "user_id": 99},
            {**token, "id": 5, "key": GONE_KEY, "name": "of the deleted", "user_id": 4, "remain_quota": 10},
            {**token, "id": 6, "key": DEBT_KEY, "name": "below", "user_id": 3, "remain_quota": -40, "used_quota": 40},
        ],
        "channels": [
            {**channel, "id": 3, "name": "plain", "key": "sk-vendor", "models": "gpt-4o,gpt-4o-mini", "weight": None,
             "auto_ban": None, "model_mapping": '{"gpt-4o-mini": "gpt-4o"}', "response_time": 12},
            {**channel, "id": 9, "name": "many", "key": "k1\nk2", "models": "gpt-4o", "channel_info": INFO,
             "tag": "t", "status": 3, "other_info": '{"status_reason": "x"}', "settings": '{"allow_speed": true}'},
            {**channel, "id": 10, "name": "strange", "type": 777, "key": "x", "models": "m", "param_override": "not json"},
        ],
        "abilities": [{"group": "default", "model": "gpt-4o", "channel_id": 3, "enabled": True, "priority": 0, "weight": 0}],
        "options": [
            {"key": "SystemName", "value": "Old Site"},
            {"key": "ModelRatio", "value": '{"gpt-4o": 1.25, "gpt-4o-mini": 0.075}'},
            {"key": "GitHubClientSecret", "value": "github-secret"},
            {"key": "RetryTimes", "value": "not a number"},
            {"key": "InvitationCodeOfAFork", "value": "1"},
        ],
        "redemptions": [
            {"id": 4, "user_id": 1, "key": CODE, "status": 1, "name": "gift", "quota": 700, "created_time": 1700000000,
             "redeemed_time": 0, "used_user_id": 0, "expired_time": 0},
        ],
        "two_fas": [
            {"id": 1, "user_id": 3, "secret": SEED, "is_enabled": True, "failed_attempts": 0, "created_at": WHEN, "updated_at": WHEN},
            {"id": 2, "user_id": 2, "secret": SEED, "is_enabled": False, "failed_attempts": 0, "created_at": WHEN, "updated_at": WHEN},
        ],
        "passkey_credentials": [
            {"id": 2, "user_id": 2, "credential_id": "AAEC/w==", "public_key": "pQECAyYgASFY", "sign_count": 5,
             "aa_guid": "rc4AAjW8xgpkiwsl8fBVAw==", "user_verified": True, "backup_state": False, "last_used_at": WHEN, "created_at": WHEN},
        ],
        "two_fa_backup_codes": [{"id": 1, "user_id": 3, "code_hash": HASH, "is_used": False, "created_at": WHEN}],
        "custom_oauth_providers": [
            {"id": 3, "name": "Acme", "slug": "acme", "enabled": True, "client_id": "c", "client_secret": "acme-secret",
             "authorization_endpoint": "https://a.example/a", "token_endpoint": "https://a.example/t",
             "user_info_endpoint": "https://a.example/u", "auth_style": 1, "created_at": WHEN, "updated_at": WHEN},
        ],
        "user_oauth_bindings": [
            {"id": 1, "user_id": 2, "provider_id": 3, "provider_user_id": "ada-at-acme", "created_at": WHEN},
            {"id": 2, "user_id": 99, "provider_id": 3, "provider_user_id": "orphan", "created_at": WHEN},
        ],
        "checkins": [{"id": 5, "user_id": 2, "checkin_date": "2025-03-04", "quota_awarded": 77, "created_at": 1741064767}],
        "vendors": [{"id": 2, "name": "OpenAI", "status": 1, "icon": "OpenAI.Color", "created_time": 1700000000}],
        "models": [
            {"id": 6, "model_name": "gpt-4o", "vendor_id": 2, "status": 1, "tags": "a,b", "endpoints": '["openai"]', "name_rule": 0},
            {"id": 7, "model_name": "old", "status": 1, "deleted_at": WHEN},
        ],
        "prefill_groups": [{"id": 1, "name": "all", "type": "model", "items": ["gpt-4o"], "created_time": 1700000000}],
        "midjourneys": [{"id": 1, "code": 1, "user_id": 2, "action": "IMAGINE", "mj_id": "x"}],
        "setups": [{"id": 1, "version": "v0.9.1", "initialized_at": 1690000000}],
        "logs": [
            {"id": number, "user_id": 2, "created_at": 1700000000 + number, "type": 2, "content": "", "username": "ada",
             "token_name": "main", "model_name": "gpt-4o", "quota": number, "prompt_tokens": 1, "completion_tokens": 2,
             "use_time": 1, "is_stream": True, "channel_id": 3, "token_id": 1, "group": "default",
             "request_id": f"r{number}", "other": '{"model_ratio": 1.25}'}
            for number in range(1, 451)
        ],
        "top_ups": [{"id": 1, "user_id": 2, "amount": 5, "money": 36.5, "trade_no": "t1", "payment_method": "alipay",
                     "create_time": 1700000000, "complete_time": 1700000001, "status": "success"},
                    {"id": 2, "user_id": 2, "amount": 1, "money": 7.3, "trade_no": "t2", "create_time": 1700000000, "status": "pending"}],
    }  # fmt: skip


def definitions(kind: str) -> Iterator[str]:
    """CREATE TABLE statements."""
    quote = {"sqlite": "`", "mysql": "`", "postgres": '"'}[kind]
    for name, text in TABLES.items():
        columns = []
        for column, _, told in (piece.partition(":") for piece in text.split()):
            made = TYPES[kind].get(told) or told.replace("vc(", "varchar(")
            columns.append(f"{quote}{column}{quote} {made}")
        yield f"CREATE TABLE {name} ({', '.join(columns)})"


def _sent(kind: str, value: Any) -> Any:
    """A value as New API's drivers write it."""
    if isinstance(value, datetime) and kind == "sqlite":
        return value.strftime("%Y-%m-%d %H:%M:%S.123456789+00:00")
    if isinstance(value, datetime) and kind == "mysql":
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, (dict, list)):
        return json.dumps(value).encode() if kind == "sqlite" else json.dumps(value)
    return value


def statements(kind: str, data: Mapping[str, list[dict[str, Any]]]) -> Iterator[tuple[str, list[Any]]]:
    """INSERT statements with their values."""
    quote = '"' if kind == "postgres" else "`"
    for table, lines in data.items():
        for line in lines:
            names = ", ".join(f"{quote}{name}{quote}" for name in line)
            marks = {
                "sqlite": ["?"] * len(line),
                "mysql": ["%s"] * len(line),
                "postgres": [f"${number + 1}" for number in range(len(line))],
            }[kind]
            values = [_sent(kind, value) for value in line.values()]
            yield f"INSERT INTO {table} ({names}) VALUES ({', '.join(marks)})", values


def make_sqlite(path: Path, data: Mapping[str, list[dict[str, Any]]]) -> str:
    """An SQLite file; its path."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for statement in definitions("sqlite"):
            database.execute(statement)
        for statement, values in statements("sqlite", data):
            database.execute(statement, values)
    return str(path)


def make_mysql(dsn: str, data: Mapping[str, list[dict[str, Any]]], name: str = "oneapi") -> str:
    """A database of its own on a server; its DSN as New API has it."""
    where = urlsplit(dsn)
    password = unquote(where.password or "")
    connection = pymysql.connect(
        host=where.hostname, port=where.port or 0, user=where.username, password=password, autocommit=True, charset="utf8mb4"
    )  # fmt: skip
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {name}")
        for statement in definitions("mysql"):
            cursor.execute(statement)
        for statement, values in statements("mysql", data):
            cursor.execute(statement, values)
    return f"{where.username}:{password}@tcp({where.hostname}:{where.port})/{name}?parseTime=true"


def make_postgres(dsn: str, data: Mapping[str, list[dict[str, Any]]], name: str = "oneapi") -> str:
    """As make_mysql()."""

    async def run() -> None:
        server = await asyncpg.connect(dsn)
        await server.execute(f"DROP DATABASE IF EXISTS {name}")
        await server.execute(f"CREATE DATABASE {name}")
        await server.close()
        database = await asyncpg.connect(dsn.rsplit("/", 1)[0] + "/" + name)
        for statement in definitions("postgres"):
            await database.execute(statement)
        for statement, values in statements("postgres", data):
            await database.execute(statement, *values)
        await database.close()

    asyncio.run(run())
    return dsn.rsplit("/", 1)[0] + "/" + name
