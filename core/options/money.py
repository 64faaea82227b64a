"""Options about quota, and what it is bought with."""

from __future__ import annotations

from core.options.kinds import (
    ADDRESS,
    OBJECTS,
    RATIOS,
    SWITCH,
    TEXT,
    array,
    choice,
    factor,
    mapping,
    number,
    positive,
    whole,
)
from core.options.row import Row

PAY_METHODS = (
    '[{"name":"Alipay","icon":"SiAlipay","type":"alipay"},{"name":"WeChat Pay","icon":"SiWechat","type":"wxpay"},'
    '{"name":"Custom","type":"custom1","min_topup":"50"}]'
)
WAFFO = "this provider takes no part here; values are kept for a way back"

ROWS = (
    Row("QuotaForNewUser", whole(0), "0", "Quota of a new account."),
    Row("QuotaForInviter", whole(0), "0", "Quota for whoever invited it."),
    Row("QuotaForInvitee", whole(0), "0", "Quota for whoever was invited."),
    Row("QuotaRemindThreshold", whole(0), "1000", "Quota below which an account is reminded.", used=False),
    Row("PreConsumedQuota", whole(0), "500", "Output tokens held where a request gives no limit."),
    Row("QuotaPerUnit", number(0, above=True), "500000", "Units of one USD.", public=True),
    Row("DisplayInCurrencyEnabled", SWITCH, "true", "Show quota as money; writes general_setting.quota_display_type.",
        public=True),
    Row("DisplayTokenStatEnabled", SWITCH, "true", "/dashboard/billing tells the key's figures, else the account's."),
    Row("Price", number(0, above=True), "7.3", "What a unit of top-up costs in the local currency.", public=True),
    Row("USDExchangeRate", number(0, above=True), "7.3", "The local currency's rate.", public=True),
    Row("MinTopUp", number(0, above=True), "1", "Least top-up.", public=True),
    Row("general_setting.quota_display_type", choice("USD", "CNY", "TOKENS", "CUSTOM"), "USD",
        "What quota is shown in.", public=True),
    Row("general_setting.custom_currency_symbol", TEXT, "¤", "The symbol for CUSTOM.", public=True),
    Row("general_setting.custom_currency_exchange_rate", number(0, above=True), "1", "Its rate.", public=True),
    Row("quota_setting.enable_free_model_pre_consume", SWITCH, "true", "Refuse free models, too, to an empty account."),
    Row("checkin_setting.enabled", SWITCH, "false", "A reward for coming by every day.", public=True),
    Row("checkin_setting.min_quota", whole(0), "1000", "The least of it."),
    Row("checkin_setting.max_quota", whole(0), "10000", "The most of it."),
    Row("TopupGroupRatio", RATIOS, '{"default":1,"vip":1,"svip":1}', "What top-ups cost, by group."),
    Row("PayAddress", ADDRESS, "", "The epay gateway."),
    Row("CustomCallbackAddress", ADDRESS, "", "Where it calls back; empty: ServerAddress."),
    Row("EpayId", TEXT, "", "The merchant's id there."),
    Row("EpayKey", TEXT, "", "Its key."),
    Row("PayMethods", OBJECTS, PAY_METHODS, "Ways to pay: [{name, icon, type, min_topup}]."),
    Row("StripeApiSecret", TEXT, "", "Stripe's API key."),
    Row("StripeWebhookSecret", TEXT, "", "Signs its webhooks."),
    Row("StripePriceId", TEXT, "", "The price's id there."),
    Row("StripeUnitPrice", number(0, above=True), "8", "What a unit costs."),
    Row("StripeMinTopUp", whole(1), "1", "Least top-up."),
    Row("StripePromotionCodesEnabled", SWITCH, "false", "Take promotion codes."),
    Row("CreemApiKey", TEXT, "", "Creem's API key."),
    Row("CreemProducts", OBJECTS, "[]", "Products: [{productId, name, price, currency, quota}]."),
    Row("CreemTestMode", SWITCH, "false", "Use its test site."),
    Row("CreemWebhookSecret", TEXT, "", "Signs its webhooks."),
    Row("payment_setting.amount_options", array("whole numbers of 1 or more", positive), "[10,20,50,100,200,500]",
        "Amounts to choose from."),
    Row("payment_setting.amount_discount", mapping("amount -> factor", factor), "{}", "Discounts by amount."),
    Row("payment_setting.compliance_confirmed", SWITCH, "false", "Payment terms were confirmed.",
        own_route=True),
    Row("payment_setting.compliance_terms_version", TEXT, "", "Which terms.", own_route=True),
    Row("payment_setting.compliance_confirmed_at", whole(0), "0", "When.", own_route=True),
    Row("payment_setting.compliance_confirmed_by", whole(0), "0", "By which account.", own_route=True),
    Row("payment_setting.compliance_confirmed_ip", TEXT, "", "From which address.", own_route=True),
    Row("WaffoPancake*", TEXT, "", "Every option of Waffo Pancake.", used=False, why_not=WAFFO),
    Row("Waffo*", TEXT, "", "Every option of Waffo.", used=False, why_not=WAFFO),
)  # fmt: skip
"""A name that ends in * stands for all that begin so."""
