"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# The machines tests run on are shared: how long an example takes says nothing.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
