"""Which authoriser a vendor row names."""

from __future__ import annotations

from collections.abc import Mapping

from core.authorise.aws import authorise_aws
from core.authorise.google import authorise_google
from core.authorise.interface import Authoriser

ALL: Mapping[str, Authoriser] = {"aws": authorise_aws, "google": authorise_google}
"""By the names of Row.authorise."""
