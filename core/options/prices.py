"""Options about what models cost, and who may use which group."""

from __future__ import annotations

from core.options.kinds import RATIOS, STRINGS, SWITCH, TEXTS, mapping, nested, ratio, string
from core.options.row import Row
from core.pricing.expression import MODE, readable

NESTED_RATIOS = mapping("group -> (group -> number of 0 or more)", nested(ratio))
NESTED_TEXTS = mapping("group -> (group, +:group or -:group -> text)", nested(string))


def _mode(entry: str, value: object) -> None:
    if value not in ("", "ratio", MODE):
        raise ValueError(f"{entry} needs ratio or {MODE}")


MODES = mapping("model -> ratio or tiered_expr", _mode)
EXPRESSIONS = mapping("model -> expression", readable)

ROWS = (
    Row("ModelRatio", RATIOS, "", "Price of input: 1 is 2 USD per million tokens; empty: the built-in table."),
    Row("CompletionRatio", RATIOS, "", "Output against input; empty: the built-in table."),
    Row("CacheRatio", RATIOS, "", "Cached input against input; empty: the built-in table."),
    Row("CreateCacheRatio", RATIOS, "", "Writing the cache against input; empty: the built-in table."),
    Row("ImageRatio", RATIOS, "", "Pictures in against text in; empty: the built-in table."),
    Row("AudioRatio", RATIOS, "", "Sound in against text in; empty: the built-in table."),
    Row("AudioCompletionRatio", RATIOS, "", "Sound out against sound in; empty: the built-in table."),
    Row("ModelPrice", RATIOS, "", "USD per call, wins over ratios; empty: the built-in table."),
    Row("GroupRatio", RATIOS, '{"default":1,"vip":1,"svip":1}', "What everything costs in a group."),
    Row("GroupGroupRatio", NESTED_RATIOS, "{}", "The same for accounts of one group in another; wins."),
    Row("UserUsableGroups", TEXTS, '{"default":"Default group","vip":"VIP group"}', "Groups everybody may use."),
    Row("AutoGroups", STRINGS, '["default"]', 'What the group "auto" means, in order.'),
    Row("DefaultUseAutoGroup", SWITCH, "false", 'New keys without a group get "auto".', public=True),
    Row("ExposeRatioEnabled", SWITCH, "false", "Anybody may read the price tables (/api/ratio_config)."),
    Row("group_ratio_setting.group_ratio", RATIOS, '{"default":1,"vip":1,"svip":1}', "Another name of GroupRatio."),
    Row("group_ratio_setting.group_group_ratio", NESTED_RATIOS, "{}", "Another name of GroupGroupRatio."),
    Row("group_ratio_setting.group_special_usable_group", NESTED_TEXTS, "{}",
        "Groups an account of a group may use besides (+:) or may not use (-:)."),
    Row("tool_price_setting.prices", RATIOS, "",
        'USD for a thousand calls, by "tool" or "tool:prefix*"; empty: the built-in table.'),
    Row("billing_setting.billing_mode", MODES, "{}", "model -> tiered_expr: billed by its expression, which wins."),
    Row("billing_setting.billing_expr", EXPRESSIONS, "{}", "model -> expression (expressions.md)."),
)  # fmt: skip
