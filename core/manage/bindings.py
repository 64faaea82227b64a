"""Who accounts are at providers, shown and taken away: one's own, and for administrators those of lower accounts."""

from __future__ import annotations

from isthmus.v1 import access_pb2

from core.errors import Conflict, InvalidRequest, RecordNotFound
from core.identity.provider import BUILT_IN
from core.manage.accounts import lower
from core.manage.before_after import changed
from core.services.context import Services
from core.state.types import Principal

EMAIL = "email"


async def listed(services: Services, account_id: int) -> list[access_pb2.OAuthBinding]:
    """Those at custom providers (New API's list)."""
    held = (await services.store.identities.of([account_id])).get(account_id, {})
    return [
        access_pb2.OAuthBinding(
            provider_id=row.id, name=row.name, slug=row.slug, icon=row.icon, subject=held[f"custom:{row.id}"]
        )
        for row in await services.store.oauth_providers.all()
        if f"custom:{row.id}" in held
    ]


async def of_lower(services: Services, principal: Principal, account_id: int) -> list[access_pb2.OAuthBinding]:
    """A lower account's. Raises RoleTooLow, RecordNotFound."""
    return await listed(services, (await lower(services, principal, account_id)).id)


async def remove_own(services: Services, principal: Principal, provider_id: int) -> None:
    """Raises RecordNotFound; Conflict where it is the only way in."""
    user = await services.store.accounts.get(principal.account.id)
    held = (await services.store.identities.of([user.id])).get(user.id, {})
    if f"custom:{provider_id}" not in held:
        raise RecordNotFound("The account is not bound to this provider.")
    if not user.password and len(held) == 1 and await services.store.passkeys.of(user.id) is None:
        raise Conflict("It is the only way into the account: set a password first.")
    await services.store.identities.remove(user.id, f"custom:{provider_id}")


async def remove(services: Services, principal: Principal, account_id: int, kind: str) -> None:
    """Of a lower account; kind: email, a built-in provider's name, or custom:<id>.

    Raises RoleTooLow, RecordNotFound, InvalidRequest.
    """
    user = await lower(services, principal, account_id)
    held = (await services.store.identities.of([user.id])).get(user.id, {})
    changed({kind: user.email if kind == EMAIL else held.get(kind)}, {kind: None})
    if kind == EMAIL:
        await services.store.accounts.update(user.id, email="")
        await services.state.refresh()
        return
    if kind not in BUILT_IN and not kind.startswith("custom:"):
        raise InvalidRequest(f"Bindings are: email, {', '.join(BUILT_IN)}.", param="binding_type")
    if not await services.store.identities.remove(user.id, kind[:32]) and kind.startswith("custom:"):
        raise RecordNotFound("The account is not bound to this provider.")
