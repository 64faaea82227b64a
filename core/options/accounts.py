"""Options about who may sign in, and how."""

from __future__ import annotations

from core.options.kinds import ADDRESS, COMMAS, SWITCH, TEXT, choice, whole
from core.options.row import Row

DOMAINS = "gmail.com,163.com,126.com,qq.com,outlook.com,hotmail.com,icloud.com,yahoo.com,foxmail.com"

ROWS = (
    Row("PasswordLoginEnabled", SWITCH, "true", "Sign in by password.", public=True),
    Row("PasswordRegisterEnabled", SWITCH, "true", "Register with a password.", public=True),
    Row("RegisterEnabled", SWITCH, "true", "Let anybody register.", public=True),
    Row("EmailVerificationEnabled", SWITCH, "false", "Registering needs a code sent by mail.", public=True),
    Row("EmailDomainRestrictionEnabled", SWITCH, "false", "Take mail addresses of listed domains alone.",
        needs=("EmailDomainWhitelist",)),
    Row("EmailAliasRestrictionEnabled", SWITCH, "false", "Refuse mail addresses with + or . in the name."),
    Row("EmailDomainWhitelist", COMMAS, DOMAINS, "The domains taken then."),
    Row("GitHubOAuthEnabled", SWITCH, "false", "Sign in by GitHub.", public=True, needs=("GitHubClientId",)),
    Row("GitHubClientId", TEXT, "", "The client's id at GitHub.", public=True),
    Row("GitHubClientSecret", TEXT, "", "Its secret."),
    Row("LinuxDOOAuthEnabled", SWITCH, "false", "Sign in by Linux DO.", public=True, needs=("LinuxDOClientId",)),
    Row("LinuxDOClientId", TEXT, "", "The client's id at Linux DO.", public=True),
    Row("LinuxDOClientSecret", TEXT, "", "Its secret."),
    Row("LinuxDOMinimumTrustLevel", whole(0, 4), "0", "Least trust level that may sign in.", public=True),
    Row("TelegramOAuthEnabled", SWITCH, "false", "Sign in by Telegram.", public=True,
        needs=("TelegramBotToken", "TelegramBotName")),
    Row("TelegramBotToken", TEXT, "", "The bot's token."),
    Row("TelegramBotName", TEXT, "", "The bot's name.", public=True),
    Row("WeChatAuthEnabled", SWITCH, "false", "Sign in by a WeChat server.", public=True,
        needs=("WeChatServerAddress",)),
    Row("WeChatServerAddress", ADDRESS, "", "The WeChat server."),
    Row("WeChatServerToken", TEXT, "", "What it is shown."),
    Row("WeChatAccountQRCodeImageURL", TEXT, "", "The picture to scan.", public=True),
    Row("TurnstileCheckEnabled", SWITCH, "false", "Ask Cloudflare's Turnstile before registering and the like.",
        public=True, needs=("TurnstileSiteKey", "TurnstileSecretKey")),
    Row("TurnstileSiteKey", TEXT, "", "The site's key.", public=True),
    Row("TurnstileSecretKey", TEXT, "", "The secret key."),
    Row("oidc.enabled", SWITCH, "false", "Sign in by OpenID Connect.", public=True, needs=("oidc.client_id",)),
    Row("oidc.client_id", TEXT, "", "The client's id there.", public=True),
    Row("oidc.client_secret", TEXT, "", "Its secret."),
    Row("oidc.well_known", ADDRESS, "", "The provider's discovery document."),
    Row("oidc.authorization_endpoint", ADDRESS, "", "Where users are sent.", public=True),
    Row("oidc.token_endpoint", ADDRESS, "", "Where codes are exchanged."),
    Row("oidc.user_info_endpoint", ADDRESS, "", "Where users are asked about."),
    Row("discord.enabled", SWITCH, "false", "Sign in by Discord.", public=True, needs=("discord.client_id",)),
    Row("discord.client_id", TEXT, "", "The client's id at Discord.", public=True),
    Row("discord.client_secret", TEXT, "", "Its secret."),
    Row("passkey.enabled", SWITCH, "false", "Sign in by passkey.", public=True),
    Row("passkey.rp_display_name", TEXT, "", "The site's name in passkeys; empty: SystemName.", public=True),
    Row("passkey.rp_id", TEXT, "", "The domain of passkeys; empty: the host of ServerAddress.", public=True),
    Row("passkey.origins", COMMAS, "", "Origins passkeys are taken from; empty: ServerAddress.", public=True),
    Row("passkey.allow_insecure_origin", SWITCH, "false", "Take origins without TLS.", public=True),
    Row("passkey.user_verification", choice("required", "preferred", "discouraged"), "preferred",
        "Whether the device asks who it is.", public=True),
    Row("passkey.attachment_preference", choice("", "platform", "cross-platform"), "",
        "Kind of device preferred.", public=True),
    Row("token_setting.max_user_tokens", whole(0), "1000", "Most keys of an account."),
    Row("token_setting.reveal", choice("on", "verified", "off"), "on",
        "Whether keys are shown to their owners again: on, after a fresh proof of who it is (verified), never (off). "
        "off keeps the hashes of keys alone, and makes those that were kept unreadable, for good."),
)  # fmt: skip
"""Custom OAuth providers are rows of a table of their own."""
