"""The log: filters, receipts to the unit, and who sees whose."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.console.browser import People
from tests.console.data import ADMIN, USER
from tests.integration.house import House


def test_a_receipt_tells_every_line(people: People, gateway: House) -> None:
    ada = gateway.sign_in(USER)
    line = next(
        row for row in gateway.manage("GET", "/api/log/self?type=2", who=ada)["items"] if row["model_name"] == "gpt-4o"
    )
    with people.view(USER) as view:
        page = view.go(f"/logs?request_id={line['request_id']}")
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_role("button", name="Receipt").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text(f"{line['quota']} units")).to_be_visible()
        expect(dialog.get_by_role("cell", name="Input base")).to_be_visible()
        expect(dialog.get_by_text(line["request_id"]).first).to_be_visible()
        expect(dialog.get_by_text("Attempts")).to_have_count(0)
        view.clean()


def test_administrators_see_everybodys_and_the_attempts(people: People) -> None:
    with people.view(ADMIN, "zh", "dark", "phone") as view:
        page = view.go("/logs?type=2")
        expect(page.get_by_text(USER, exact=True).first).to_be_visible()
        page.get_by_role("button", name="详情").first.click()
        expect(page.get_by_role("dialog").get_by_text("尝试记录")).to_be_visible()
        view.clean()
        page.keyboard.press("Escape")
        page.get_by_text("我的", exact=True).click()
        expect(page.get_by_text("没有符合条件的内容")).to_be_visible()


def test_filters_narrow_the_list(people: People, gateway: House) -> None:
    with people.view(USER) as view:
        page = view.go("/logs?type=2&model_name=gpt-4o-mini")
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(2)
        page.get_by_label("Model", exact=True).fill("gpt-4o")
        page.wait_for_url("**model_name=gpt-4o")
        asked = gateway.manage("GET", "/api/log/self?type=2&model_name=gpt-4o", who=gateway.sign_in(USER))
        expect(rows).to_have_count(asked["total"])
