"""The whole of it: table by table, page by page; again and again until nothing is left to take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from peewee import IntegrityError

from core.errors import Conflict
from core.store.database import Unstorable
from core.store.store import Store
from core.takeover import rows
from core.takeover.plain import PLAIN, convert
from core.takeover.report import Report, TableReport
from core.takeover.rows import Convert, Left, Taken
from core.takeover.source import Row, Source
from core.takeover.target import TABLES, Target
from core.takeover.values import moment, whole
from core.vendors.registry import ALL

READ = frozenset({*TABLES, *(plain.name for plain in PLAIN), "options", "logs", "setups"})
DERIVED = frozenset({"abilities", "perf_metrics", "subscription_pre_consume_records", "quota_data"})
"""Made anew from others, here in another way."""
RUNTIME = frozenset({"system_tasks", "system_task_locks", "system_instances", "schema_migrations"})
"""What a running New API writes for itself."""
ELSEWHERE = {
    "two_fa_backup_codes": "backup codes are kept as bcrypt hashes there: their owners make new ones",
}
_COLUMNS = """
users       id username password display_name role status email access_token quota used_quota request_count group
users       github_id discord_id oidc_id wechat_id telegram_id linux_do_id stripe_customer
users       aff_code aff_count aff_quota aff_history inviter_id setting remark created_at last_login_at deleted_at
tokens      id user_id key status name created_time accessed_time expired_time remain_quota unlimited_quota
tokens      model_limits_enabled model_limits allow_ips used_quota group cross_group_retry deleted_at
channels    id type key open_ai_organization test_model status name weight created_time test_time response_time
channels    base_url other balance balance_updated_time models group used_quota model_mapping status_code_mapping
channels    priority auto_ban other_info tag setting param_override header_override remark channel_info settings
redemptions id user_id key status name quota created_time redeemed_time used_user_id expired_time deleted_at
two_fas     id user_id secret is_enabled failed_attempts locked_until last_used_at created_at updated_at deleted_at
passkey_credentials id user_id credential_id public_key attestation_type aa_guid sign_count clone_warning user_present
passkey_credentials user_verified backup_eligible backup_state transports attachment last_used_at created_at
passkey_credentials updated_at deleted_at
"""
KNOWN: dict[str, set[str]] = {}
for _table, *_names in map(str.split, _COLUMNS.strip().splitlines()):
    KNOWN.setdefault(_table, set()).update(_names)
for _plain in PLAIN:
    KNOWN[_plain.name] = set(_plain.columns())
"""Columns that are read, or that are counted here in another way."""

Progress = Callable[[str, int, int], None]
"""Table, rows looked at, rows in all."""


def _silent(_table: str, _done: int, _all: int) -> None:
    """Nobody watches."""


class Takeover:
    """One run."""

    def __init__(
        self, source: Source, store: Store, *, dry: bool = False, logs: bool = False, progress: Progress = _silent
    ) -> None:
        self._source, self._target = source, Target(store)
        self._logs, self._progress = logs, progress
        self.report = Report(dry)
        self._owners: dict[int, int] = {}

    async def run(self) -> Report:
        """Takes what was not taken yet. Raises Conflict where the gateway has accounts of its own."""
        if await self._target.strangers():
            raise Conflict(
                "The gateway has accounts of its own: take over into an empty database, before the first set-up."
            )
        types = frozenset(number for number, vendor in ALL.items() if not vendor.unavailable)
        await self._table("users", rows.user)
        await self._table("tokens", partial(rows.token, owners=self._owners))
        await self._table("channels", partial(rows.channel, types=types))
        await self._options()
        await self._table("redemptions", rows.redemption)
        await self._table("two_fas", partial(rows.two_factor, owners=self._owners))
        await self._table("passkey_credentials", partial(rows.passkey, owners=self._owners))
        for plain in PLAIN:
            await self._table(plain.name, partial(convert, plain=plain, owners=self._owners))
        if self._logs:
            await self._log_lines()
        await self._rest()
        if not self.report.dry:
            await self._target.finish(await self._initialized())
        return self.report

    async def _table(self, name: str, convert: Convert) -> None:
        if name not in self._source.tables:
            return
        total, seen = await self._source.count(name), 0
        if not total:
            return
        report = self.report.table(name)
        strange = [column for column in await self._source.columns(name) if column not in KNOWN[name]]
        filled: set[str] = set()
        async for page in self._source.pages(name):
            seen += len(page)
            filled |= {column for column in strange for row in page if row.get(column) not in (None, "", 0)}
            await self._page(name, report, convert, page)
            self._progress(name, seen, total)
        if filled:
            self.report.strange[name] = sorted(filled)

    async def _page(self, name: str, report: TableReport, convert: Convert, page: Sequence[Row]) -> None:
        report.rows += len(page)
        before = await self._target.before(name, [int(row["id"]) for row in page])
        fresh: list[tuple[Taken, str]] = []
        for row in page:
            number, digest = int(row["id"]), self._target.digest(row)
            if name == "users":
                self._owners[number] = _deleted(row)
            if number in before:
                report.before += 1
                if before[number] != digest:
                    report.left["changed there since it was taken: what is here stays"].append(str(number))
                continue
            try:
                fresh.append((convert(row), digest))
            except (Left, ValueError, TypeError, OverflowError) as error:
                self._stays(name, report, number, str(error))
        if not self.report.dry and fresh:
            fresh = await self._write(name, report, fresh)
        for taken, _ in fresh:
            report.taken += 1
            if name in ("users", "tokens"):
                self.report.units_there += taken.quota
            for what in taken.changed:
                report.changed[what].append(str(taken.id))

    def _stays(self, name: str, report: TableReport, number: int, why: str) -> None:
        report.left[why].append(str(number))
        if name == "users":
            self._owners.pop(number, None)

    async def _write(self, name: str, report: TableReport, fresh: list[tuple[Taken, str]]) -> list[tuple[Taken, str]]:
        """The page at once, else row by row; those that were put."""
        try:
            self.report.units_here += await self._target.write(name, fresh)
            return fresh
        except (IntegrityError, Unstorable):
            put = []
        for taken, digest in fresh:
            try:
                self.report.units_here += await self._target.write(name, [(taken, digest)])
                put.append((taken, digest))
            except IntegrityError:
                self._stays(name, report, taken.id, "another row has the same name, key or number")
            except Unstorable as error:
                self._stays(name, report, taken.id, error.message)
        return put

    async def _options(self) -> None:
        report = self.report.table("options")
        values: dict[str, str] = {}
        held = await self._target.held_options()
        async for page in self._source.pages("options", by=""):
            for row in page:
                report.rows += 1
                try:
                    name, value = rows.option(row)
                except Left as why:
                    report.left[str(why)].append(str(row.get("key")))
                    continue
                if name in held:
                    report.before += 1
                else:
                    values[name] = value
        report.taken = len(values)
        if values and not self.report.dry:
            await self._target.options(values)

    async def _log_lines(self) -> None:
        if "logs" not in self._source.tables:
            return
        report = self.report.table("logs")
        total, seen, last = await self._source.count("logs"), 0, await self._target.logs_from()
        async for page in self._source.pages("logs", after=last):
            lines: list[Mapping[str, Any]] = []
            for row in page:
                try:
                    lines.append(rows.log(row))
                except (ValueError, TypeError, OverflowError) as error:
                    report.left[str(error)].append(str(row["id"]))
            if lines and not self.report.dry:
                await self._target.logs(lines, int(page[-1]["id"]))
            seen += len(page)
            report.taken += len(lines)
            self._progress("logs", seen, total)
        report.rows, report.before = total, total - seen

    async def _rest(self) -> None:
        """Names what no part of this looked at."""
        skipped = READ | DERIVED | RUNTIME
        if not self._logs:
            skipped -= {"logs"}
        for name in sorted(self._source.tables - skipped):
            if name.startswith("sqlite_"):
                continue
            if count := await self._source.count(name):
                self.report.untouched[name] = count
                if name in ELSEWHERE:
                    self.report.notes.append(ELSEWHERE[name])
        if self.report.untouched.get("logs"):
            self.report.notes.append("the log is taken with --logs")
        self.report.notes.append(
            "prices of models nobody changed are in no table of New API: what has no row has the default of Isthmus"
        )

    async def _initialized(self) -> int:
        if "setups" not in self._source.tables:
            return 0
        async for page in self._source.pages("setups"):
            return whole(page[0].get("initialized_at"))
        return 0


def _deleted(row: Row) -> int:
    try:
        return moment(row.get("deleted_at"))
    except ValueError:
        return 1
