"""Other people's word for who somebody is: OAuth providers, OpenID Connect, Telegram, WeChat servers, Turnstile."""
