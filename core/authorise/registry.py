"""Which authoriser a vendor row names."""

from __future__ import annotations

from collections.abc import Mapping

from core.authorise.aws import authorise_aws
from core.authorise.baidu import authorise_baidu
from core.authorise.google import authorise_google
from core.authorise.interface import Authoriser
from core.authorise.tencent import authorise_tencent
from core.authorise.xunfei import authorise_xunfei
from core.authorise.zhipu import authorise_zhipu

ALL: Mapping[str, Authoriser] = {
    "aws": authorise_aws,
    "baidu": authorise_baidu,
    "google": authorise_google,
    "tencent": authorise_tencent,
    "xunfei": authorise_xunfei,
    "zhipu": authorise_zhipu,
}
"""By the names of Row.authorise."""
