"""A browser that watches: console errors, broken policy, requests to other hosts, what axe finds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.integration.house import PASSWORD, House
from tools.console import CONSOLE

CHROMIUM = Path("/usr/bin/chromium")
AXE = CONSOLE / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"phone": (360, 740), "desk": (1440, 900)}
SERIOUS = ("serious", "critical")
LANGUAGES = ("en", "zh")
SCHEMES = ("light", "dark")
WAIT_MS = 30_000
"""A limit, not a promise: the machine is shared."""
expect.set_options(timeout=WAIT_MS)


def missing() -> str:
    """Why there can be no browser; "" where there can."""
    return "" if CHROMIUM.exists() else f"{CHROMIUM} is absent: apt-get install chromium"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@dataclass
class View:
    """One page of somebody, in a language, scheme and size. Leaving it fails where the browser complained."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Keeps what a user should never cause."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console {message.type}: {message.text} {message.location.get('url', '')}")

    def _request(self, request: Request) -> None:
        if request.url.startswith(("data:", "blob:")):
            return
        if urlsplit(request.url).netloc != urlsplit(self.base).netloc:
            self.complaints.append(f"another host was asked: {request.url}")

    def forgive(self, text: str) -> None:
        """Lets one expected complaint go. Fails where there is none."""
        kept = [line for line in self.complaints if text not in line]
        assert len(kept) < len(self.complaints), f"nobody complained of {text}"
        self.complaints = kept

    def go(self, path: str) -> Page:
        """Opens a page and waits until nothing of it is still loading."""
        self.page.goto(self.base + path)
        self.settle()
        return self.page

    def settle(self) -> None:
        """Until the page shows a heading and no skeleton, and asks for nothing."""
        self.page.locator("h1").first.wait_for()
        self.page.wait_for_function("() => !document.querySelector('[aria-busy=\"true\"], .mantine-Skeleton-root')")
        self.page.wait_for_load_state("networkidle")

    def axe(self) -> list[str]:
        """What axe-core finds serious, in words."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(AXE.read_text("utf-8"))
        found: Any = self.page.evaluate(
            "() => axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations)"
        )
        return [
            f"{row['id']}: {row['help']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
            for row in found
            if row["impact"] in SERIOUS
            for node in row["nodes"][:4]
        ]

    def fits(self) -> str:
        """Whether the page is no wider than the screen; else what sticks out."""
        return str(
            self.page.evaluate(
                """() => {
                  const wide = document.documentElement.clientWidth;
                  if (document.documentElement.scrollWidth <= wide) return '';
                  const out = [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > wide + 1);
                  return out.slice(0, 3).map((e) => e.outerHTML.slice(0, 120)).join(' | ') || 'page';
                }"""
            )
        )

    def clean(self) -> None:
        """Fails where axe found something serious, the page is too wide, or the browser complained."""
        assert not (found := self.axe()), "\n".join(found)
        assert not (out := self.fits()), f"wider than the screen: {out}"
        assert not self.complaints, "\n".join(self.complaints)


@dataclass
class People:
    """Sessions of those who have signed in, kept so that each does it once."""

    browser: Browser
    house: House
    states: dict[str, Any] = field(default_factory=dict)

    def _context(self, language: str, scheme: str, size: str, state: Any = None) -> BrowserContext:
        width, height = SIZES[size]
        return self.browser.new_context(
            viewport={"width": width, "height": height},
            locale={"en": "en-US", "zh": "zh-CN"}[language],
            color_scheme="dark" if scheme == "dark" else "light",
            reduced_motion="reduce",
            timezone_id="UTC",
            storage_state=state,
        )

    def _state(self, name: str) -> Any:
        """Cookies and storage of somebody signed in."""
        if name and name not in self.states:
            with contextlib.closing(self._context("en", "light", "desk")) as context:
                page = context.new_page()
                page.set_default_timeout(WAIT_MS)
                page.goto(self.house.base + "/login")
                page.get_by_label("User name or e-mail").fill(name)
                page.locator("input[type=password]").fill(PASSWORD)
                page.get_by_role("button", name="Sign in").click()
                page.wait_for_url(self.house.base + "/")
                page.locator("h1").first.wait_for()
                self.states[name] = context.storage_state()
        return self.states.get(name)

    @contextlib.contextmanager
    def view(self, name: str = "", language: str = "en", scheme: str = "light", size: str = "desk") -> Iterator[View]:
        """A browser of somebody's; "" for nobody. Complaints that were not forgiven fail it at the end."""
        context = self._context(language, scheme, size, self._state(name))
        try:
            page = context.new_page()
            page.set_default_timeout(WAIT_MS)
            made = View(page, self.house.base)
            made.watch()
            yield made
            assert not made.complaints, "\n".join(made.complaints)
        finally:
            context.close()
