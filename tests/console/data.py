"""What the gateway of these tests holds: somebody with keys, requests of several models, texts full of scripts."""

from __future__ import annotations

from tests.integration.house import House, http

USER = "ada"
ADMIN = "grace"
ROOT = "root"
QUOTA = 5_000_000
SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"
"""Shown where it is, never run."""
NOTICE = (
    f"# Welcome\n\nRead the **rules** first. {SCRIPT} [bad](javascript:alert(3)) ![p](https://elsewhere.example/p.png)"
)


def fill(house: House) -> None:
    """Makes it."""
    house.add_channel(models="gpt-4o,gpt-4o-mini,claude-sonnet-5,deepseek-reasoner,text-embedding-3-small")
    ada = house.add_member(USER, QUOTA)
    house.add_member(ADMIN, QUOTA)
    house.manage("POST", "/api/user/manage", {"id": house.sign_in(ADMIN).id, "action": "promote"})
    house.option("Notice", NOTICE)
    house.add_channel(
        name=f"Spare {SCRIPT}"[:60], models="gpt-4o", status=2, group="default,vip", tag="spare", weight=3
    )
    house.manage("POST", "/api/redemption/", {"name": "Gift", "quota": 2_500_000, "count": 2})
    _, work = house.add_key(ada, name="Work", remain_quota=2_000_000)
    house.add_key(
        ada, name=f"Night {SCRIPT}"[:50], unlimited_quota=True, model_limits_enabled=True, model_limits="gpt-4o-mini"
    )
    _, script = house.add_key(ada, name="Scripts", remain_quota=400_000)
    for number in range(6):
        model = ("gpt-4o", "gpt-4o-mini", "claude-sonnet-5")[number % 3]
        assert house.chat(work if number % 2 else script, f"Hello {number}", model=model).status == 200
    body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Stream, please"}]}
    assert http("POST", house.base + "/v1/chat/completions", body, {"Authorization": f"Bearer {work}"}).status == 200
