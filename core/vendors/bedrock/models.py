"""Names of models as Bedrock's ids, and the geographies whose inference profiles serve them.

Facts: docs.aws.amazon.com/bedrock, inference-profiles-support and the models' cards. Ids and names nobody knows
here go out as they are; the channel's model mapping may say any id, profile or ARN.
"""

from __future__ import annotations

import re

from core.vendors.anthropic.clouds import DATED

_US, _EU, _APAC, _JP, _AU, _GLOBAL = "us", "eu", "apac", "jp", "au", "global"
_GEOGRAPHIES = (_US, _EU, _APAC, _JP, _AU, _GLOBAL, "us-gov", "ca", "sa", "in", "amer")
"""What stands before an id that is a profile's."""
_OLD = (_US, _EU, _APAC)
_NEW = (_US, _EU, _JP, _AU, _GLOBAL)

MODELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "claude-instant-1.2": ("claude-instant-v1", ()),
    "claude-2.0": ("claude-v2", ()),
    "claude-2.1": ("claude-v2:1", ()),
    "claude-3-sonnet-20240229": ("claude-3-sonnet-20240229-v1:0", _OLD),
    "claude-3-opus-20240229": ("claude-3-opus-20240229-v1:0", (_US,)),
    "claude-3-haiku-20240307": ("claude-3-haiku-20240307-v1:0", _OLD),
    "claude-3-5-sonnet-20240620": ("claude-3-5-sonnet-20240620-v1:0", _OLD),
    "claude-3-5-sonnet-20241022": ("claude-3-5-sonnet-20241022-v2:0", (_US, _APAC)),
    "claude-3-5-haiku-20241022": ("claude-3-5-haiku-20241022-v1:0", (_US,)),
    "claude-3-7-sonnet-20250219": ("claude-3-7-sonnet-20250219-v1:0", _OLD),
    "claude-sonnet-4-20250514": ("claude-sonnet-4-20250514-v1:0", (*_OLD, _GLOBAL)),
    "claude-opus-4-20250514": ("claude-opus-4-20250514-v1:0", (_US,)),
    "claude-opus-4-1-20250805": ("claude-opus-4-1-20250805-v1:0", (_US,)),
    "claude-sonnet-4-5-20250929": ("claude-sonnet-4-5-20250929-v1:0", _NEW),
    "claude-haiku-4-5-20251001": ("claude-haiku-4-5-20251001-v1:0", _NEW),
    "claude-opus-4-5-20251101": ("claude-opus-4-5-20251101-v1:0", (_US, _EU, _GLOBAL)),
    "claude-opus-4-6": ("claude-opus-4-6-v1", _NEW),
}  # fmt: skip
"""Anthropic's names: the id less `anthropic.`, and its profiles. Names that are not here are the id itself."""
ALIASES = {**DATED, "claude-opus-4-6-20260205": "claude-opus-4-6"}
"""Anthropic's shorter names, and dates that Bedrock leaves out."""
OTHERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"amazon\.nova-(?:micro|lite|pro)-", _OLD),
    (r"amazon\.nova-premier-", (_US,)),
    (r"amazon\.nova-2-lite-", (_US, _EU, _JP, _GLOBAL)),
    (r"meta\.llama3-2-[13]b-", (_US, _EU)),
    (r"meta\.llama(?:3-[123]|4)-", (_US,)),
    (r"deepseek\.r1-", (_US,)),
    (r"mistral\.pixtral-large-", (_US, _EU)),
    (r"writer\.palmyra-x[45]-", (_US,)),
)
"""Ids of other houses whose models are only served, or better served, across regions."""
_UNKNOWN = re.compile(r"claude-[a-z0-9-]+")
_AREAS = (
    ("us-gov-", ("us-gov",)),
    ("us-", (_US, _GLOBAL)),
    ("ca-", (_US, _GLOBAL)),
    ("eu-", (_EU, _GLOBAL)),
    ("ap-northeast-1", (_JP, _APAC, _GLOBAL)),
    ("ap-northeast-3", (_JP, _APAC, _GLOBAL)),
    ("ap-southeast-2", (_AU, _APAC, _GLOBAL)),
    ("ap-southeast-4", (_AU, _APAC, _GLOBAL)),
    ("ap-", (_APAC, _GLOBAL)),
    ("", (_GLOBAL,)),
)
"""Beginnings of regions, and the profiles to be had there, the nearest first."""


def foundation_id(name: str) -> str:
    """A model's id without a geography: for Anthropic's and Amazon's names by rule, else the name itself."""
    known = MODELS.get(ALIASES.get(name, name))
    if known is not None:
        return f"anthropic.{known[0]}"
    if name.startswith("nova-"):
        return f"amazon.{name}"
    if _UNKNOWN.fullmatch(name):
        # From Claude 4.6 on the ids are the names; dated names still have a version.
        return f"anthropic.{name}-v1:0" if re.search(r"-20\d{6}$", name) else f"anthropic.{name}"
    return name


def model_id(name: str, region: str) -> str:
    """The id to call in a region: the profile of the nearest geography where the model has one.

    Anthropic's ids (anthropic.claude-...), profiles and ARNs that the channel names itself go out as they are.
    """
    found = foundation_id(name)
    served = _served(name, found)
    areas = next(areas for start, areas in _AREAS if region.startswith(start))
    area = next((area for area in areas if area in served), "")
    return f"{area}.{found}" if area else found


def without_area(model: str) -> str:
    """A profile's id less its geography."""
    area, dot, rest = model.partition(".")
    return rest if dot and area in _GEOGRAPHIES else model


def _served(name: str, found: str) -> tuple[str, ...]:
    known = MODELS.get(ALIASES.get(name, name))
    if known is not None:
        return known[1]
    if found.startswith("anthropic."):
        return _NEW if found != name else ()
    return next((areas for pattern, areas in OTHERS if re.match(pattern, found)), ())
