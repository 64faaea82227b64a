"""Keys: created, limited, copied, used, disabled and enabled again, deleted; by keyboard, too."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.console.browser import People
from tests.console.data import USER
from tests.integration.house import House, http


def test_a_key_from_beginning_to_end(people: People, gateway: House) -> None:
    ada = gateway.sign_in(USER)
    with people.view(USER) as view:
        page = view.go("/keys")
        page.get_by_role("button", name="Create key").first.click()
        page.get_by_role("dialog").get_by_label("Name").fill("Made here")
        page.get_by_role("dialog").get_by_role("textbox", name="Limit").fill("2.5")
        page.get_by_text("7 days", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Create key").click()
        expect(page.get_by_text("Your key is ready")).to_be_visible()
        view.clean()
        row = gateway.manage("GET", "/api/token/?p=1&page_size=1", who=ada)["items"][0]
        assert (row["name"], row["remain_quota"], row["unlimited_quota"]) == ("Made here", 1_250_000, False)
        assert 6 * 86400 < row["expired_time"] - row["created_time"] < 8 * 86400
        # What is copied is the whole key, and it works.
        page.evaluate(
            "() => { window.copied = []; navigator.clipboard.writeText = async (text) => { window.copied.push(text); }; }"
        )
        page.get_by_role("dialog").get_by_role("button", name="Copy the key").click()
        page.wait_for_function("() => window.copied.length === 1")
        secret = page.evaluate("() => window.copied[0]")
        assert http("GET", gateway.base + "/v1/models", headers={"Authorization": f"Bearer {secret}"}).status == 200
        page.get_by_role("tab", name="Python").click()
        expect(page.get_by_role("region", name="Python")).to_contain_text(gateway.base)
        expect(page.get_by_role("region", name="Python")).not_to_contain_text(secret)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="More for Made here").click()
        page.get_by_role("menuitem", name="Disable").click()
        expect(page.get_by_text("Made here is disabled")).to_be_visible()
        assert gateway.manage("GET", f"/api/token/{row['id']}", who=ada)["status"] == 2
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("tr", has_text="Made here").get_by_text("Enabled")).to_be_visible()
        page.get_by_role("button", name="More for Made here").click()
        page.get_by_role("menuitem", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.locator("tr", has_text="Made here")).to_have_count(0)
        names = [item["name"] for item in gateway.manage("GET", "/api/token/", who=ada)["items"]]
        assert "Made here" not in names


def test_a_refused_field_is_told_at_the_field(people: People) -> None:
    with people.view(USER, "zh", "dark", "phone") as view:
        page = view.go("/keys?edit=new")
        page.get_by_role("dialog").get_by_label("名称").fill("x")
        page.get_by_label("允许的 IP").fill("no address")
        page.get_by_role("dialog").get_by_role("button", name="创建密钥").click()
        expect(page.get_by_label("允许的 IP")).to_have_attribute("aria-invalid", "true")
        view.clean()


def test_filters_and_columns_stay_in_the_address(people: People) -> None:
    with people.view(USER) as view:
        page = view.go("/keys")
        page.get_by_placeholder("Search by name").fill("Wor")
        page.wait_for_url("**/keys?keyword=Wor")
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_role("button", name="Columns").click()
        page.get_by_role("menuitemcheckbox", name="Group").click()
        page.wait_for_url("**hide=*group*")
        page.reload()
        view.settle()
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.get_by_role("columnheader", name="Group")).to_have_count(0)
        page.get_by_placeholder("Search by name").fill("nothing like it")
        page.get_by_role("button", name="Clear filters").click()
        expect(page.locator("tbody tr")).not_to_have_count(1)


def test_names_full_of_scripts_are_words(people: People) -> None:
    with people.view(USER) as view:
        page = view.go("/keys")
        expect(page.get_by_text("Night <img src=x onerror=alert(1)>")).to_be_visible()
        assert page.locator("main img").count() == 0


def test_the_palette_opens_by_keyboard_and_leads_to_a_page(people: People) -> None:
    with people.view(USER) as view:
        page = view.go("/keys")
        page.keyboard.press("Control+k")
        expect(page.get_by_role("dialog").locator("input")).to_be_focused()
        page.keyboard.type("logs")
        expect(page.get_by_role("dialog").get_by_text("Logs", exact=True).first).to_be_visible()
        page.keyboard.press("Enter")
        page.wait_for_url("**/logs")
        view.settle()
        page.keyboard.press("Tab")
        view.clean()
