"""The sandbox: a local vendor with deterministic answers and faults on demand; see docs/sandbox.md."""

from __future__ import annotations

from front.sandbox.server import serve

__all__ = ["serve"]
