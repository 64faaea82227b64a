"""One option: what it is called, what it may be, what it is for."""

from __future__ import annotations

from dataclasses import dataclass

from core.options.kinds import Kind

SECRET_ENDINGS = ("Token", "Secret", "Key", "secret", "api_key")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of docs/options.md.

    used says whether something here reads it: what nothing reads is kept and returned, no more. why_not is
    the reason where an option has no sense here. needs names the options that must not be empty when a
    switch is turned on. own_route options are set by a route of their own alone.
    """

    name: str
    kind: Kind
    default: str
    help: str
    used: bool = True
    public: bool = False
    """Anybody may read it (GET /api/status); else root alone."""
    why_not: str = ""
    needs: tuple[str, ...] = ()
    own_route: bool = False

    @property
    def secret(self) -> bool:
        """Never returned, encrypted at rest."""
        return is_secret(self.name)


def is_secret(name: str) -> bool:
    """Whether an option is never returned (New API's rule, by the end of its name)."""
    return name.endswith(SECRET_ENDINGS)
