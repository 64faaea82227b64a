"""Rounds of channel tests: who is asked, who is disabled and enabled, what is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from isthmus.client import ApiError
from isthmus.v1 import admin_pb2, routing_pb2

from core.mail.smtp import Mail, MailServer
from core.rounds.channel_tests import KIND, Round, run
from core.rounds.runner import Progress
from tests.node import METADATA, Home, eventually, home
from tests.servers.vendor import Asked, Vendor, vendor


@pytest.fixture(scope="module")
def silicon() -> Iterator[Vendor]:
    with vendor() as made:
        yield made


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as made:
        yield made


def refuse(status: str, text: str = "no") -> Any:
    def answer(asked: Asked) -> None:
        asked.whole(json.dumps({"error": {"message": text}}).encode(), status=status)

    return answer


async def sweep(house: Home, **fields: Any) -> dict[str, Any]:
    """The result of a round in this process."""
    this = Round(**{"automatic": False, **fields})
    return dict(await run(house.node.services, Progress(), this, await house.node.state.account(1)))


async def test_a_round_disables_what_fails_for_good_and_enables_what_answers(house: Home, silicon: Vendor) -> None:
    await house.options(AutomaticDisableChannelEnabled="true", AutomaticEnableChannelEnabled="true")
    silicon.behaviours.update(
        bad=refuse("401 No"), words=refuse("400 No", "Your credit balance is too low"), hiccup=refuse("500 Oops"),
        kept=refuse("401 No"),
    )  # fmt: skip
    ids = {name: await house.channel(silicon.url, name) for name in ("good", "bad", "words", "hiccup")}
    ids["kept"] = await house.channel(silicon.url, "kept", auto_ban=0)
    ids["back"] = await house.channel(silicon.url, "back", status=3)
    ids["by hand"] = await house.channel(silicon.url, "hand", status=2)
    ids["tasks"] = await house.channel(silicon.url, "tasks", type=50)
    result = await sweep(house)
    assert {name: result[name] for name in ("tested", "succeeded", "failed", "disabled", "enabled")} == {
        "tested": 6, "succeeded": 2, "failed": 4, "disabled": 2, "enabled": 1,
    }  # fmt: skip
    states = {name: (await house.row(channel_id)).status for name, channel_id in ids.items()}
    assert states == {
        "good": 1, "bad": 3, "words": 3, "hiccup": 1, "kept": 1, "back": 1, "by hand": 2, "tasks": 1,
    }  # fmt: skip
    assert silicon.counts["hand"] == silicon.counts["tasks"] == 0
    row = await house.row(ids["words"])
    assert "credit balance" in json.loads(row.other_info)["status_reason"]
    assert row.test_time > 0
    assert {each["id"] for each in result["failures"]} == {ids[name] for name in ("bad", "words", "hiccup", "kept")}


async def test_without_the_options_nothing_changes(house: Home, silicon: Vendor) -> None:
    silicon.behaviours["bad"] = refuse("401 No")
    bad, down = await house.channel(silicon.url, "bad"), await house.channel(silicon.url, "ok", status=3)
    result = await sweep(house)
    assert (result["failed"], result["succeeded"], result["disabled"], result["enabled"]) == (1, 1, 0, 0)
    assert ((await house.row(bad)).status, (await house.row(down)).status) == (1, 3)


async def test_a_slow_channel_is_disabled(house: Home, silicon: Vendor) -> None:
    await house.options(AutomaticDisableChannelEnabled="true", AutomaticEnableChannelEnabled="true",
                        ChannelDisableThreshold="0.000001")  # fmt: skip
    slow, down = await house.channel(silicon.url, "slow"), await house.channel(silicon.url, "late", status=3)
    result = await sweep(house)
    assert result["disabled"] == 1
    assert "it answered after" in result["failures"][0]["message"]
    assert ((await house.row(slow)).status, (await house.row(down)).status) == (3, 3)


async def test_passive_recovery_asks_only_the_disabled_and_disables_none(house: Home, silicon: Vendor) -> None:
    await house.options(AutomaticDisableChannelEnabled="true", AutomaticEnableChannelEnabled="true")
    silicon.behaviours["still"] = refuse("401 No")
    await house.channel(silicon.url, "enabled")
    back, still = [await house.channel(silicon.url, name, status=3) for name in ("back2", "still")]
    result = await sweep(house, automatic=True, recovery=True)
    assert (result["tested"], result["enabled"], result["failed"]) == (2, 1, 1)
    assert silicon.counts["enabled"] == 0
    assert ((await house.row(back)).status, (await house.row(still)).status) == (1, 3)


async def test_probes_only_where_no_traffic_tells(house: Home, silicon: Vendor) -> None:
    """spec/pains.md: probing hundreds of channels costs real money."""
    busy = await house.channel(silicon.url, "busy", used_quota=500)
    idle = await house.channel(silicon.url, "idle", used_quota=500)
    spent = {str(busy): 400, str(idle): 500}
    result = await sweep(house, automatic=True, spent=spent)
    assert (result["tested"], result["skipped"]) == (1, 1)
    assert (silicon.counts["busy"], silicon.counts["idle"]) == (0, 1)
    assert (await sweep(house, spent=spent))["tested"] == 2, "whoever asks for a round gets a whole one"


async def test_single_keys_come_back(house: Home, silicon: Vendor) -> None:
    await house.options(AutomaticEnableChannelEnabled="true")
    silicon.behaviours["k-bad"] = refuse("401 No")
    states = {"1": 3, "2": 3}
    info = {"is_multi_key": True, "multi_key_size": 3, "multi_key_status_list": states}
    one = await house.channel(silicon.url, "k-one\nk-two\nk-bad", channel_info=json.dumps(info))
    info = {"is_multi_key": True, "multi_key_size": 2, "multi_key_status_list": {"0": 3, "1": 2}}
    two = await house.channel(silicon.url, "k-last\nk-hand", status=3, channel_info=json.dumps(info))
    result = await sweep(house)
    assert result["enabled"] == 2
    assert json.loads((await house.row(one)).channel_info)["multi_key_status_list"] == {"2": 3}
    row = await house.row(two)
    assert (row.status, json.loads(row.channel_info)["multi_key_status_list"]) == (1, {"1": 2})
    assert silicon.counts["k-hand"] == 0


async def test_a_round_over_grpc_can_be_watched_and_ended(house: Home, silicon: Vendor) -> None:
    started = asyncio.get_running_loop().time()
    silicon.behaviours["hangs"] = lambda asked: asked.watch()
    await house.channel(silicon.url, "hangs")
    begun = await house.routing.TestChannels(routing_pb2.TestChannelsRequest(), metadata=METADATA)
    assert begun.started
    again = await house.routing.TestChannels(routing_pb2.TestChannelsRequest(), metadata=METADATA)
    assert (again.started, again.round.task_id) == (False, begun.round.task_id)
    wanted = routing_pb2.GetRoundRequest(type=KIND)

    async def look() -> routing_pb2.Round | None:
        found = (await house.routing.GetRound(wanted, metadata=METADATA)).round
        return found if found.state_json else None

    found = await eventually(look)
    assert (json.loads(found.state_json)["total"], found.status) == (1, "running")
    gone = await house.routing.AbortRound(routing_pb2.AbortRoundRequest(type=KIND), metadata=METADATA)
    assert (gone.round.status, gone.round.error) == ("failed", "aborted")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.routing.AbortRound(routing_pb2.AbortRoundRequest(type=KIND), metadata=METADATA)
    assert ApiError.of(refused.value).reason == "RECORD_NOT_FOUND"
    assert asyncio.get_running_loop().time() - started < 60, "the test that hung was cancelled"


async def test_root_is_told_by_mail_a_bounded_number_of_times(house: Home, silicon: Vendor) -> None:
    await house.options(SMTPServer="mail.test", SMTPFrom="gateway@mail.test", AutomaticDisableChannelEnabled="true")
    await house.node.store.accounts.update(1, email="root@mail.test")
    mails: list[Mail] = []

    def deliver(server: MailServer, mail: Mail) -> None:
        mails.append(mail)

    house.node.services.mailer._deliver = deliver
    silicon.behaviours["bad"] = refuse("401 No")
    await house.channel(silicon.url, "bad")
    for _ in range(4):
        await sweep(house)

    async def both() -> bool:
        return len(mails) == 2

    await eventually(both)
    assert [mail.to for mail in mails] == ["root@mail.test"] * 2
    assert "bad" in mails[0].text
    assert "disabled: 1" in mails[0].text


async def test_endpoint_types_choose_the_form_where_the_vendor_speaks_it(house: Home, silicon: Vendor) -> None:
    made = await house.channel(silicon.url, "forms", models="gpt-4o,bge-m3")
    for endpoint, member in (("openai", "messages"), ("openai-response", "input"), ("anthropic", "messages"),
                             ("gemini", "messages")):  # fmt: skip
        asked = admin_pb2.TestChannelRequest(id=made, model="gpt-4o", endpoint_type=endpoint)
        await house.admin.TestChannel(asked, metadata=METADATA)
        assert member in silicon.last("forms").body, endpoint
    found = await house.admin.TestChannel(admin_pb2.TestChannelRequest(id=made, model="gpt-4o"), metadata=METADATA)
    assert (found.ok, found.receipt.username, found.receipt.quota) == (True, "root", 0)
    drawing = await house.channel(silicon.url, "draw", type=2)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.admin.TestChannel(admin_pb2.TestChannelRequest(id=drawing), metadata=METADATA)
    assert ApiError.of(refused.value).reason == "INVALID_REQUEST"
