"""Tables that are here what they are there: the model says how each column is read. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from peewee import AutoField, BooleanField, CharField, IntegerField

from core.store.models import CheckIn, CustomProvider, Identity, ModelRow, Order, PrefillGroup, VendorRow
from core.takeover.rows import Left, Taken
from core.takeover.values import document, flag, moment, text, whole

Change = Callable[[Mapping[str, Any], Taken], None]
"""Sets what is another here than there, from the row of the source."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A table of New API and the model that takes it. sealed columns are encrypted here."""

    name: str
    model: Any
    owned: bool = False
    """Its user_id must be an account's."""
    sealed: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    """Columns of the source that are read in another way, or counted here by themselves."""
    change: Change | None = None

    def columns(self) -> frozenset[str]:
        """What is read of the source."""
        return frozenset({field.name for field in self.model._meta.sorted_fields} | set(self.also))  # noqa: SLF001


def _binding(row: Mapping[str, Any], made: Taken) -> None:
    subject = text(row.get("provider_user_id"))
    if not subject:
        raise Left("it has no provider_user_id")
    made.columns |= {"provider": f"custom:{whole(row.get('provider_id'))}", "subject": subject[:255]}


def _order(row: Mapping[str, Any], made: Taken) -> None:
    if made.columns["status"] == "pending":
        # What was asked of the payment is not known here: its notice could not be checked.
        made.columns["status"] = "expired"
        made.changed.append("was pending, and is expired now")
    if not made.columns["trade_no"]:
        raise Left("it has no trade_no")


PLAIN = (
    Plain("custom_oauth_providers", CustomProvider, sealed=("client_secret",)),
    Plain("user_oauth_bindings", Identity, owned=True, also=("provider_id", "provider_user_id"), change=_binding),
    Plain("checkins", CheckIn, owned=True),
    Plain("vendors", VendorRow),
    Plain("models", ModelRow),
    Plain("prefill_groups", PrefillGroup),
    Plain("top_ups", Order, owned=True, change=_order),
)
"""In the order they are taken."""


def convert(row: Mapping[str, Any], plain: Plain, owners: Mapping[int, int]) -> Taken:
    """A row as the model has it. Raises Left, ValueError."""
    if plain.owned and whole(row.get("user_id")) not in owners:
        raise Left("its account is not there")
    made = Taken(whole(row["id"]), {})
    for field in plain.model._meta.sorted_fields:  # noqa: SLF001 - peewee's own way to a model's fields
        if isinstance(field, AutoField) or field.name not in row:
            continue
        value = row[field.name]
        if value is None and field.default is not None:
            continue
        if isinstance(field, BooleanField):
            made.columns[field.name] = flag(value)
        elif isinstance(field, CharField):
            made.short(field.name, text(value), field.max_length)
        elif isinstance(field, IntegerField):
            number = isinstance(value, (int, str)) and text(value).lstrip("-").isdecimal()
            made.columns[field.name] = whole(value) if number or value in (None, "") else moment(value)
        else:
            made.columns[field.name] = document(value)
    if plain.change is not None:
        plain.change(row, made)
    return made
