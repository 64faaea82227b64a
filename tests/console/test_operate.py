"""What operators do: a channel made, tested, disabled; a user made and paid; codes made; an option found and changed."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.console.browser import People
from tests.console.data import ADMIN, ROOT, USER
from tests.integration.house import House


def test_a_channel_from_beginning_to_end(people: People, gateway: House) -> None:
    with people.view(ADMIN) as view:
        page = view.go("/channels")
        page.get_by_role("button", name="Create channel").first.click()
        form = page.get_by_role("dialog")
        form.get_by_label("Vendor").first.fill("Sandbox")
        page.get_by_role("option", name="Sandbox").click()
        form.get_by_label("Name", exact=False).first.fill("Made here")
        form.locator("input[type=password]").fill("sandbox-key")
        form.get_by_label("Address").fill(gateway.sandbox)
        models = form.get_by_label("Models").first
        models.fill("gpt-4o-mini")
        models.press("Enter")
        form.get_by_role("button", name="Create channel").click()
        expect(page.get_by_text("The channel is created")).to_be_visible()
        rows = gateway.manage("GET", "/api/channel/search?keyword=Made%20here")["items"]
        assert [(row["type"], row["models"], row["group"]) for row in rows] == [(1000, "gpt-4o-mini", "default")]
        gateway.channels.append(rows[0]["id"])
        page.get_by_role("button", name="Test Made here").click()
        expect(page.get_by_text("Made here answered in")).to_be_visible()
        page.get_by_role("button", name="More for Made here").click()
        page.get_by_role("menuitem", name="Disable").click()
        expect(page.get_by_text("Made here is disabled")).to_be_visible()
        assert gateway.manage("GET", f"/api/channel/{rows[0]['id']}")["status"] == 2
        view.clean()


def test_a_user_is_made_and_paid(people: People, gateway: House) -> None:
    with people.view(ROOT) as view:
        page = view.go("/users?edit=new")
        form = page.get_by_role("dialog")
        form.get_by_label("User name").fill("linus")
        form.locator("input[type=password]").fill("short")
        form.get_by_role("button", name="Create user").click()
        expect(form.get_by_text("At least 8 characters")).to_be_visible()
        form.locator("input[type=password]").fill("long enough 8")
        form.get_by_role("button", name="Create user").click()
        expect(page.get_by_text("The user is created")).to_be_visible()
        page.get_by_role("button", name="More for linus").click()
        page.get_by_role("menuitem", name="Balance").click()
        page.get_by_role("dialog").get_by_label("Amount").fill("3")
        page.get_by_role("dialog").get_by_role("button", name="Save").click()
        expect(page.get_by_text("The balance of linus is changed")).to_be_visible()
        found = gateway.manage("GET", "/api/user/search?keyword=linus")["items"]
        assert [row["quota"] for row in found] == [1_500_000]
        view.clean()


def test_codes_are_made(people: People, gateway: House) -> None:
    with people.view(ADMIN, "zh", "dark", "phone") as view:
        page = view.go("/redemptions?edit=new")
        form = page.get_by_role("dialog")
        form.get_by_label("名称").fill("节日")
        form.get_by_label("数量").fill("3")
        form.get_by_role("button", name="创建兑换码").click()
        expect(form.get_by_text("已创建 3 个兑换码")).to_be_visible()
        found = gateway.manage("GET", "/api/redemption/search?keyword=%E8%8A%82%E6%97%A5")["items"]
        assert [row["quota"] for row in found] == [5_000_000] * 3
        view.clean()


def test_an_option_is_found_changed_and_refused(people: People, gateway: House) -> None:
    def value(name: str) -> str:
        return next(str(row["value"]) for row in gateway.manage("GET", "/api/option/") if row["key"] == name)

    with people.view(ROOT) as view:
        page = view.go("/settings?word=RetryTimes")
        field = page.get_by_label("RetryTimes", exact=True).first
        before = field.input_value()
        field.fill("-5")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("a whole number from")).to_be_visible()
        assert value("RetryTimes") == before
        field.fill("2")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("RetryTimes is saved")).to_be_visible()
        assert value("RetryTimes") == "2"
        gateway.option("RetryTimes", before)
        view.clean()


def test_what_a_role_may_not_is_neither_shown_nor_given(people: People) -> None:
    with people.view(USER) as view:
        page = view.go("/")
        for name in ("Channels", "Users", "Redemption codes", "Settings"):
            expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
        for path in ("/channels", "/users", "/redemptions", "/settings"):
            page.goto(view.base + path)
            expect(page.get_by_text("Not for your account")).to_be_visible()
            expect(page.locator("table")).to_have_count(0)
    with people.view(ADMIN) as view:
        page = view.go("/")
        expect(page.get_by_role("link", name="Channels", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name="Settings", exact=True)).to_have_count(0)
