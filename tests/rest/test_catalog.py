"""Groups, models, prices, price tables."""

from __future__ import annotations

import json

from tests.integration.house import House
from tests.rest.people import Person


def option(root: Person, key: str, value: object) -> None:
    root.get("PUT", "/api/option/", {"key": key, "value": value if isinstance(value, bool) else json.dumps(value)})


def test_groups(root: Person, user: Person, nobody: Person) -> None:
    assert user.get("GET", "/api/user/self/groups") == {
        "default": {"ratio": 1.0, "desc": "Default group"}, "vip": {"ratio": 1.0, "desc": "VIP group"},
    }  # fmt: skip
    option(root, "GroupRatio", {"default": 1, "vip": 0.5, "svip": 2})
    option(root, "GroupGroupRatio", {"default": {"vip": 0.25}})
    option(root, "UserUsableGroups", {"default": "All", "vip": "Vip", "auto": "By itself", "gone": "No ratio"})
    told = user.get("GET", "/api/user/groups")
    assert told == {
        "default": {"ratio": 1.0, "desc": "All"}, "vip": {"ratio": 0.25, "desc": "Vip"},
        "auto": {"ratio": "自动", "desc": "By itself"},
    }  # fmt: skip
    assert nobody.get("GET", "/api/user/groups")["vip"]["ratio"] == 0.5, "nobody pays what those of no group pay"
    option(root, "group_ratio_setting.group_special_usable_group", {"default": {"-:vip": "", "+:svip": "Svip"}})
    assert set(user.get("GET", "/api/user/self/groups")) == {"default", "auto", "svip"}
    assert root.get("GET", "/api/group/") == ["default", "svip", "vip"]
    for name in ("GroupGroupRatio", "group_ratio_setting.group_special_usable_group"):
        option(root, name, {})


def test_models_and_prices(gateway: House, root: Person, user: Person, nobody: Person) -> None:
    channel = {"type": 1000, "key": "k", "base_url": gateway.sandbox}
    for name, models, group in (("v", "vip-model", "vip"), ("s", "hidden-model", "svip"), ("n", "unpriced", "default")):
        body = {"mode": "single", "channel": {**channel, "name": name, "models": models, "group": group}}
        root.get("POST", "/api/channel/", body)
    option(root, "ModelPrice", {"vip-model": 0.02})
    models = user.get("GET", "/api/user/models")
    assert {"gpt-4o", "vip-model", "unpriced"} <= set(models)
    assert "hidden-model" not in models
    told = nobody.ask("GET", "/api/pricing").json()
    assert told["success"]
    assert set(told) == {
        "success", "data", "vendors", "group_ratio", "usable_group", "supported_endpoint", "auto_groups", "pricing_version",
    }  # fmt: skip
    prices = {row["model_name"]: row for row in told["data"]}
    assert "hidden-model" not in prices
    assert (prices["vip-model"]["quota_type"], prices["vip-model"]["model_price"]) == (1, 0.02)
    assert prices["vip-model"]["enable_groups"] == ["vip"]
    mini = prices["gpt-4o-mini"]
    assert (mini["quota_type"], mini["model_ratio"], mini["completion_ratio"], mini["cache_ratio"]) == (
        0,
        0.075,
        4.0,
        0.5,
    )
    assert "openai" in mini["supported_endpoint_types"]
    assert told["supported_endpoint"]["openai"] == {"path": "/v1/chat/completions", "method": "POST"}
    assert (prices["unpriced"]["model_ratio"], prices["unpriced"]["model_price"]) == (0, 0)
    version = told["pricing_version"]
    option(root, "ModelPrice", {"vip-model": 0.03})
    assert nobody.ask("GET", "/api/pricing").json()["pricing_version"] != version


def test_the_price_page_can_be_closed(root: Person, user: Person, nobody: Person) -> None:
    for modules, for_nobody, for_user in (
        ({"pricing": {"enabled": True, "requireAuth": True}}, 403, 200), ({"pricing": {"enabled": False}}, 403, 403),
        ({"pricing": False}, 403, 403), ({"pricing": True}, 200, 200), ({}, 200, 200),
    ):  # fmt: skip
        option(root, "HeaderNavModules", modules)
        assert nobody.ask("GET", "/api/pricing").status == for_nobody, modules
        assert user.ask("GET", "/api/pricing").status == for_user, modules


def test_price_tables(root: Person, nobody: Person) -> None:
    assert nobody.ask("GET", "/api/ratio_config").status == 403
    option(root, "ExposeRatioEnabled", True)
    told = nobody.get("GET", "/api/ratio_config")
    assert set(told) == {"model_ratio", "completion_ratio", "cache_ratio", "create_cache_ratio", "model_price"}
    assert told["model_ratio"]["gpt-4o"] == 1.25
