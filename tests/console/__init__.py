"""The console in a browser: Playwright with Debian's Chromium, against a real gateway with Sandbox."""
