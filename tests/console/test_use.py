"""Dashboard, playground, market, profile and key usage by their main actions."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.console.browser import People
from tests.console.data import ADMIN, USER
from tests.integration.house import PASSWORD, House, until
from tests.rest.test_second_factor import Phone


def test_the_dashboard_tells_what_was_used(people: People, gateway: House) -> None:
    gateway.option("console_setting.faq", '[{"question": "Is it <b>safe</b>?", "answer": "Yes, **<i>quite</i>**"}]')
    with people.view(USER) as view:
        page = view.go("/")
        expect(page.get_by_role("heading", name=f"Hello, {USER}")).to_be_visible()
        expect(page.get_by_text("gpt-4o-mini").first).to_be_visible()
        page.get_by_text("Tokens", exact=True).click()
        page.wait_for_url("**metric=token_used")
        page.get_by_role("button", name="Is it <b>safe</b>?").click()
        expect(page.get_by_text("<i>quite</i>")).to_be_visible()
        expect(page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
        assert page.locator("main a[href^='javascript']").count() == 0
        assert page.locator("main img").count() == 0
        view.clean()


def test_administrators_see_everybodys_usage(people: People) -> None:
    with people.view(ADMIN, "zh", "dark") as view:
        page = view.go("/?scope=all")
        expect(page.get_by_text("按渠道")).to_be_visible()
        expect(page.get_by_text(USER, exact=True).first).to_be_visible()


def test_a_model_answers_and_its_receipt_is_shown(people: People, gateway: House) -> None:
    with people.view(USER) as view:
        page = view.go("/playground?model=gpt-4o")
        page.get_by_role("textbox", name="Your message").fill("What is an isthmus?")
        page.keyboard.press("Enter")
        receipt = page.get_by_role("log").get_by_role("button", name="Receipt")
        receipt.wait_for()
        expect(page.get_by_text("first after")).to_be_visible()
        view.clean()
        receipt.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("units").first.wait_for()
        sent = dialog.get_by_text(re.compile("^[0-9a-f]{24}")).first.inner_text().split()[0]
        assert gateway.line(sent)["model_name"] == "gpt-4o"
        page.keyboard.press("Escape")
        page.reload()
        view.settle()
        expect(page.get_by_text("What is an isthmus?", exact=True)).to_be_visible()
        page.get_by_role("log").get_by_role("button", name="Code").click()
        page.get_by_role("tab", name="Raw answer").click()
        expect(page.get_by_role("region", name="Raw answer")).to_contain_text("data: ")
        page.get_by_role("tab", name="gRPC").click()
        expect(page.get_by_role("region", name="gRPC")).to_contain_text("What is an isthmus?")


def test_thinking_is_shown_and_a_refusal_told_with_its_id(people: People) -> None:
    with people.view(USER, "zh", "dark", "phone") as view:
        page = view.go("/playground?model=gpt-4o")
        box = page.get_by_role("textbox", name="输入消息")
        box.fill("[[sandbox thinking]] Hm")
        box.press("Enter")
        page.get_by_role("button", name="账单明细").wait_for()
        expect(page.get_by_text("思考过程")).to_be_visible()
        page.get_by_text("思考过程").click()
        expect(page.get_by_text("The sandbox thinks")).to_be_visible()
        box.fill("[[sandbox status=400]] No")
        box.press("Enter")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("请求编号")
        view.forgive("400")  # a browser notes every refused request itself
        view.clean()


def test_models_are_found_and_their_prices_told(people: People) -> None:
    with people.view("", "en", "light", "desk") as view:
        page = view.go("/market")
        cards = page.get_by_role("list", name="Models").get_by_role("listitem")
        cards.first.wait_for()
        page.get_by_label("Search models").fill("mini")
        expect(cards).to_have_count(1)
        expect(cards.first).to_contain_text("$0.15")
        page.get_by_role("button", name="Details of gpt-4o-mini").click()
        expect(page.get_by_role("dialog").get_by_role("cell", name="$0.60")).to_be_visible()
        view.clean()


def test_the_profile_keeps_what_is_set(people: People, gateway: House) -> None:
    member = gateway.add_member("hedy", 0)
    with people.view("hedy") as view:
        page = view.go("/profile")
        page.get_by_label("Display name").fill("Hedy L.")
        page.get_by_label("Present password").fill("wrong-one")
        page.get_by_role("button", name="Save changes").first.click()
        page.get_by_label("Present password").fill(PASSWORD)
        page.get_by_role("button", name="Save changes").first.click()
        until(lambda: gateway.manage("GET", "/api/user/self", who=member)["display_name"] == "Hedy L.")
        page.get_by_role("button", name="Switch on").click()
        secret = page.get_by_role("dialog").get_by_role("region", name="Secret").inner_text()
        view.clean()
        page.get_by_label("Code from the authenticator").fill(Phone(secret).code())
        page.get_by_role("dialog").get_by_role("button", name="Switch on").click()
        expect(page.get_by_text("backup codes left")).to_be_visible()
        page.get_by_role("button", name="Account: Hedy L.").click()
        page.get_by_role("menuitem", name="Sign out").click()
        page.get_by_label("User name or e-mail").fill("hedy")
        page.locator("input[type=password]").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Second step")).to_be_visible()
        view.clean()


def test_who_holds_a_key_sees_what_it_used(people: People, gateway: House) -> None:
    ada = gateway.sign_in(USER)
    number = next(
        row["id"] for row in gateway.manage("GET", "/api/token/", who=ada)["items"] if row["name"] == "Scripts"
    )
    secret = gateway.manage("POST", f"/api/token/{number}/key", who=ada)["key"]
    with people.view("", "zh", "dark", "phone") as view:
        page = view.go("/key-usage")
        page.get_by_label("密钥").first.fill(f"sk-{secret}")
        page.get_by_role("button", name="查询").click()
        expect(page.get_by_text("Scripts")).to_be_visible()
        expect(page.get_by_role("cell", name="claude-sonnet-5").first).to_be_visible()
        view.clean()
        page.reload()
        view.settle()
        assert secret not in page.content()


def test_what_a_user_may_not_do_is_neither_shown_nor_accepted(people: People, gateway: House) -> None:
    with people.view(USER) as view:
        page = view.go("/keys")
        expect(page.get_by_role("navigation", name="Navigation").get_by_text("Operation")).to_have_count(0)
        page.goto(gateway.base + "/logs?scope=all&username=root")
        view.settle()
        expect(page.get_by_text("Everybody's")).to_have_count(0)
        status = page.evaluate("() => fetch('/api/log/').then((r) => r.json()).then((r) => r.success)")
        assert status is False
        view.forgive("401")
