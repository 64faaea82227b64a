"""A minute of the soak (`make soak` runs ten)."""

from __future__ import annotations

import os
from pathlib import Path

from tests.soak import soak

SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))


def test_a_minute_of_everything_leaves_nothing_behind(tmp_path: Path) -> None:
    outcome = soak(SECONDS, 7, tmp_path)
    assert outcome.answers["2xx"] > 100, outcome.answers
    assert outcome.answers["left"], outcome.answers
