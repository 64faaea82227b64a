"""Options about models and vendors' families."""

from __future__ import annotations

from core.options.kinds import STRINGS, SWITCH, TEXTS, checked, listed, mapping, nested, number, positive, string, whole
from core.options.row import Row
from core.state import responses_policy
from core.state.responses_policy import ResponsesPolicy
from core.vendors.anthropic.models import DEFAULT_LIMITS

QWEN_IMAGES = (
    '["z-image","qwen-image","wan2.6","wan2.7","qwen-image-edit","qwen-image-edit-max","qwen-image-edit-plus"]'
)
IMAGINE = '["gemini-2.0-flash-exp-image-generation","gemini-2.0-flash-exp","gemini-3-pro-image-preview"]'

ROWS = (
    Row("global.pass_through_request_enabled", SWITCH, "false",
        "Send every body as the client sent it, where the channel speaks its form."),
    Row("global.thinking_model_blacklist", STRINGS, '["moonshotai/kimi-k2-thinking","kimi-k2-thinking"]',
        "Models whose suffix is part of the name."),
    Row(responses_policy.NAME, checked("JSON object", ResponsesPolicy.parse), responses_policy.DEFAULT,
        "Ask OpenAI-shaped channels in the Responses form: {enabled, all_channels, channel_ids, channel_types, "
        "model_patterns}."),
    Row("general_setting.ping_interval_enabled", SWITCH, "false",
        "Send pings as often as below; off: as ISTHMUS_PING_SECONDS says."),
    Row("general_setting.ping_interval_seconds", whole(1, 3600), "60", "Seconds of silence before a ping."),
    Row("claude.model_headers_settings", mapping("model -> (header -> [values])", nested(listed(string))), "{}",
        "Headers sent along for a Claude model, merged with the client's."),
    Row("claude.default_max_tokens", mapping("model or default -> whole number of 1 or more", positive),
        DEFAULT_LIMITS, "max_tokens where the client gave none. default is for models "
        "whose own limit is not known here; once this option is changed, for all that are not listed."),
    Row("claude.thinking_adapter_enabled", SWITCH, "true", "-thinking at a name's end turns thinking on."),
    Row("claude.thinking_adapter_budget_tokens_percentage", number(0, 1, above=True), "0.8",
        "The share of max_tokens it may take, for models that think with a budget."),
    Row("gemini.safety_settings", TEXTS, '{"default":"OFF"}', "category or default -> threshold."),
    Row("gemini.version_settings", TEXTS, '{"default":"v1beta","gemini-1.0-pro":"v1"}',
        "model or default -> version of the API."),
    Row("gemini.supported_imagine_models", STRINGS, IMAGINE, "Models that answer with pictures.", used=False,
        why_not="a client asks for pictures, or does not; no list of names is needed"),
    Row("gemini.thinking_adapter_enabled", SWITCH, "true", "-thinking and the like at a name's end are understood."),
    Row("gemini.thinking_adapter_budget_tokens_percentage", number(0, 1, above=True), "0.6",
        "The share of the output limit that -thinking may take, for models that think with a budget."),
    Row("gemini.function_call_thought_signature_enabled", SWITCH, "true",
        "Sign calls that come without a signature, where the model wants one."),
    Row("gemini.remove_function_response_id_enabled", SWITCH, "true", "Take ids out of tool results, for Vertex AI."),
    Row("qwen.sync_image_models", STRINGS, QWEN_IMAGES, "Models of pictures that answer at once.", used=False),
    Row("grok.violation_deduction_enabled", SWITCH, "true", "Charge for refusals xAI fines.", used=False),
    Row("grok.violation_deduction_amount", number(0, 1000), "0.05", "USD, times the group's ratio.", used=False),
    Row("isthmus.keep_responses", SWITCH, "true",
        "Keep answers of the Responses dialect whose vendor keeps none: encrypted, for their account alone."),
    Row("isthmus.keep_responses_hours", whole(1, 8760), "720", "Hours they are kept after they were last used."),
    Row("isthmus.keep_responses_mb", whole(1, 1 << 20), "64", "Most of an account's; the oldest go first."),
)  # fmt: skip
