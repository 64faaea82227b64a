"""First run, sign-in, registration, reset."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.console.browser import LANGUAGES, SCHEMES, SIZES, People
from tests.console.data import USER
from tests.integration.house import PASSWORD, House, serve


@pytest.mark.parametrize(("language", "scheme", "size"), [("en", "light", "desk"), ("zh", "dark", "phone")])
def test_a_first_run_makes_the_administrator(
    chromium: Browser, tmp_path: Path, language: str, scheme: str, size: str
) -> None:
    with serve(tmp_path) as fresh, People(chromium, fresh).view("", language, scheme, size) as view:
        page = view.go("/keys")
        page.wait_for_url("**/setup")
        view.settle()
        view.clean()
        page.get_by_role("button").last.click()
        expect(page.get_by_role("textbox").first).to_have_attribute("aria-invalid", "true")
        page.locator("input[name=username], input[autocomplete=username]").fill("first")
        passwords = page.locator("input[autocomplete=new-password]")
        passwords.nth(0).fill(PASSWORD)
        passwords.nth(1).fill(PASSWORD)
        page.locator("button[type=submit]").click()
        page.wait_for_url(fresh.base + "/")
        view.settle()
        page.goto(fresh.base + "/setup")
        page.wait_for_url(fresh.base + "/")


@pytest.mark.parametrize(
    "path", ["/login", "/register", "/reset", "/user/reset", "/user/reset?email=a@b.example&token=x", "/nowhere"]
)
def test_pages_before_sign_in_are_clean(people: People, path: str) -> None:
    for place, language in enumerate(LANGUAGES):
        scheme, size = SCHEMES[place], list(SIZES)[place]
        with people.view("", language, scheme, size) as view:
            page = view.page
            page.goto(people.house.base + path)
            page.locator("main").wait_for()
            page.wait_for_load_state("networkidle")
            view.clean()


def test_a_wrong_password_is_told_with_the_requests_id(people: People) -> None:
    with people.view() as view:
        page = view.go("/login?next=/keys")
        page.get_by_label("User name or e-mail").fill(USER)
        page.locator("input[type=password]").fill("wrong-password")
        page.get_by_role("button", name="Sign in").click()
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("Request")
        view.clean()
        page.locator("input[type=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/keys")


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_sign_in_leads_nowhere_else(people: People, wanted: str) -> None:
    with people.view() as view:
        page = view.go(f"/login?next={wanted}")
        page.get_by_label("User name or e-mail").fill(USER)
        page.locator("input[type=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(people.house.base + "/")


def test_registering_and_signing_in(people: People, gateway: House) -> None:
    with people.view() as view:
        page = view.go("/register")
        page.get_by_label("User name").fill("newcomer")
        passwords = page.locator("input[type=password]")
        passwords.nth(0).fill(PASSWORD)
        passwords.nth(1).fill("something-else")
        page.get_by_role("button", name="Create account").click()
        expect(page.get_by_text("The two passwords differ")).to_be_visible()
        passwords.nth(1).fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        page.wait_for_url("**/login")
    assert gateway.sign_in("newcomer").id


def test_a_taken_name_is_told_at_its_field(people: People) -> None:
    with people.view() as view:
        page = view.go("/register")
        page.get_by_label("User name").fill(USER)
        for place in (0, 1):
            page.locator("input[type=password]").nth(place).fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        expect(page.get_by_label("User name")).to_have_attribute("aria-invalid", "true")


def test_pages_for_others_ask_for_a_sign_in(people: People) -> None:
    with people.view() as view:
        view.page.goto(people.house.base + "/logs?type=2")
        view.page.wait_for_url("**/login?next=*")
        view.settle()
        expect(view.page.get_by_text("The page you asked for")).to_be_visible()
