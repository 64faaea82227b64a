"""Options of New API's older consoles: moved once, what cannot be read left alone."""

from __future__ import annotations

import json

from core.manage.console_settings import moved
from tests.integration.house import House
from tests.rest.people import Person

OLD = {
    "ApiInfo": json.dumps(
        [{"url": f"https://{number}.example", "route": "r", "description": "d", "color": "blue"} for number in range(60)]
    ),
    "Announcements": json.dumps([{"content": "Grüße", "publishDate": "2026-01-02T03:04:05Z"}]),
    "FAQ": json.dumps([{"title": "q", "content": "a"}, {"question": "q2", "answer": "a2"}, {"title": "alone"}, {}]),
    "UptimeKumaUrl": "https://status.example", "UptimeKumaSlug": "all",
}  # fmt: skip


def test_moved() -> None:
    written, gone = moved(OLD)
    assert set(gone) == set(OLD)
    assert len(json.loads(written["console_setting.api_info"])) == 50
    assert json.loads(written["console_setting.faq"]) == [
        {"question": "q", "answer": "a"}, {"question": "q2", "answer": "a2"},
    ]  # fmt: skip
    assert json.loads(written["console_setting.uptime_kuma_groups"])[0]["slug"] == "all"


def test_what_cannot_be_read_stays() -> None:
    for text in ("x", "{}", "[1]", "[" * 9000):
        assert moved({"ApiInfo": text}) == ({}, [])
    assert moved({"UptimeKumaUrl": "https://status.example"}) == ({}, []), "without its slug it says nothing"
    assert moved({}) == ({}, [])
    assert moved({"FAQ": " "}) == ({}, ["FAQ"])


def test_by_the_route(gateway: House, root: Person) -> None:
    for name, value in OLD.items():
        gateway.rows("INSERT INTO options (key, value) VALUES (?, ?)", name, value)
    root.get("POST", "/api/option/migrate_console_setting")
    told = {each["key"]: each["value"] for each in root.get("GET", "/api/option/")}
    assert json.loads(told["console_setting.announcements"]) == json.loads(OLD["Announcements"])
    assert len(json.loads(told["console_setting.api_info"])) == 50
    assert not gateway.rows("SELECT 1 FROM options WHERE key IN ('ApiInfo', 'FAQ', 'Announcements', 'UptimeKumaUrl')")
    root.get("PUT", "/api/option/", {"key": "console_setting.announcements", "value": "[]"})
    root.get("POST", "/api/option/migrate_console_setting")
    told = {each["key"]: each["value"] for each in root.get("GET", "/api/option/")}
    assert told["console_setting.announcements"] == "[]", "twice is once"
    gateway.rows("INSERT INTO options (key, value) VALUES ('ApiInfo', '[{\"url\": 5}]')")
    assert "does not fit" in root.refused("POST", "/api/option/migrate_console_setting")
    assert gateway.rows("SELECT 1 FROM options WHERE key = 'ApiInfo'"), "it stays where it is"
