"""Vendors' lists of models: what differs, what is proposed, what is done of it; Ollama's models."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from isthmus.client import ApiError
from isthmus.v1 import routing_pb2

from core.rounds import model_updates
from core.rounds.model_updates import compare
from core.rounds.runner import Progress
from tests.node import METADATA, Home, home
from tests.servers.vendor import Asked, Vendor, vendor


@pytest.fixture(scope="module")
def silicon() -> Iterator[Vendor]:
    with vendor() as made:
        yield made


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as made:
        yield made


def listing(*names: str) -> Any:
    body = json.dumps({"data": [{"id": name} for name in names]}).encode()
    return lambda asked: asked.whole(body)


def settings(**members: Any) -> str:
    return json.dumps({f"upstream_model_update_{name}": value for name, value in members.items()})


@pytest.mark.parametrize(
    ("held", "listed", "mapping", "ignored", "add", "remove"),
    [
        (["a", "b"], ["b", "c"], {}, [], ["c"], ["a"]),
        (["a"], ["vendor-a"], {"a": "vendor-a"}, [], [], []),
        (["a", "x"], ["a", "b", "b-test"], {}, ["regex:-test$", "x"], ["b"], []),
        (["a"], ["a", "b"], {}, ["regex:(", "regex:" + "b" * 600], ["b"], []),
        (["a"], ["a", "c,d", "n" * 256], {}, [], [], []),
        ([], ["a", "a"], {}, [], ["a"], []),
    ],
)
def test_what_differs(
    held: list[str], listed: list[str], mapping: dict[str, str], ignored: list[str], add: list[str], remove: list[str]
) -> None:
    assert compare(held, listed, mapping, ignored) == (add, remove)


async def test_proposals_are_kept_and_done_as_far_as_they_are_named(house: Home, silicon: Vendor) -> None:
    silicon.behaviours["u1"] = listing("m", "new-1", "new-2", "new-3")
    made = await house.channel(silicon.url, "u1", "m,old-1,old-2", settings='{"other": 1}')
    found = await house.routing.DetectModels(routing_pb2.DetectModelsRequest(id=made), metadata=METADATA)
    assert list(found.updates.add_models) == ["new-1", "new-2", "new-3"]
    assert list(found.updates.remove_models) == ["old-1", "old-2"]
    assert (await house.row(made)).models == "m,old-1,old-2", "a proposal changes nothing"
    asked = routing_pb2.ApplyModelsRequest(
        id=made, add_models=["new-1", "invented"], remove_models=["old-1", "new-1", "m"], ignore_models=["new-3"]
    )
    done = (await house.routing.ApplyModels(asked, metadata=METADATA)).updates
    assert (list(done.added_models), list(done.removed_models), list(done.ignored_models)) == (
        ["new-1"], ["old-1"], ["new-3"],
    )  # fmt: skip
    assert (list(done.add_models), list(done.remove_models)) == (["new-2"], ["old-2"])
    row = await house.row(made)
    assert (row.models, json.loads(row.settings)["other"]) == ("m,old-2,new-1", 1)
    assert "new-1" in house.node.state.snapshot.channels[made].models
    again = await house.routing.DetectModels(routing_pb2.DetectModelsRequest(id=made), metadata=METADATA)
    assert list(again.updates.add_models) == ["new-2"], "what is ignored is proposed no more"


async def test_a_channel_never_loses_its_last_model(house: Home, silicon: Vendor) -> None:
    silicon.behaviours["u2"] = listing("other")
    made = await house.channel(silicon.url, "u2", "m")
    await house.routing.DetectModels(routing_pb2.DetectModelsRequest(id=made), metadata=METADATA)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.routing.ApplyModels(routing_pb2.ApplyModelsRequest(id=made, remove_models=["m"]), metadata=METADATA)
    assert "at least one model" in ApiError.of(refused.value).message
    silicon.behaviours["u2"] = listing()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.routing.DetectModels(routing_pb2.DetectModelsRequest(id=made), metadata=METADATA)
    assert "lists no models" in ApiError.of(refused.value).message


async def test_a_round_adds_where_the_channel_says_so(house: Home, silicon: Vendor) -> None:
    silicon.behaviours.update(u3=listing("m", "n"), u4=listing("m", "n"), u5=lambda asked: asked.whole(b"{}"))
    auto = await house.channel(silicon.url, "u3", settings=settings(check_enabled=True, auto_sync_enabled=True))
    shy = await house.channel(silicon.url, "u4", settings=settings(check_enabled=True))
    await house.channel(silicon.url, "u5", settings=settings(check_enabled=True))
    await house.channel(silicon.url, "u6")
    assert model_updates.chore(house.node.services).every() == 1800
    figures = await model_updates.run(house.node.services, Progress())
    assert figures == {
        "checked_channels": 3, "changed_channels": 2, "detected_add_models": 2, "detected_remove_models": 0,
        "failed_channels": 1, "auto_added_models": 1,
    }  # fmt: skip
    assert ((await house.row(auto)).models, (await house.row(shy)).models) == ("m,n", "m")
    assert silicon.counts["u6"] == 0
    done = await house.routing.ApplyAllModels(routing_pb2.ApplyAllModelsRequest(), metadata=METADATA)
    assert [(one.channel_id, list(one.added_models)) for one in done.results] == [(shy, ["n"])]
    assert (await house.row(shy)).models == "m,n"


async def test_no_channel_wants_it_no_round_comes(house: Home) -> None:
    assert model_updates.chore(house.node.services).every() == 0


# -- Ollama ---------------------------------------------------------------------------------------


async def pulled(house: Home, channel_id: int, model: str = "llama") -> list[Any]:
    asked = routing_pb2.PullModelRequest(channel_id=channel_id, model_name=model)
    return [json.loads(line.progress_json) async for line in house.routing.PullModel(asked, metadata=METADATA)]


async def test_ollamas_models_are_fetched_and_deleted(house: Home, silicon: Vendor) -> None:
    lines = [{"status": "pulling", "total": 10, "completed": place} for place in (1, 10)] + [{"status": "success"}]

    def answer(asked: Asked) -> None:
        if not asked.body:
            asked.whole(b'{"version": "0.9.1"}')
        elif "stream" not in asked.body:
            asked.whole(b"")
        else:
            asked.stream()
            text = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
            asked.chunk(text[:20])
            asked.chunk(text[20:])
            asked.chunk(b"")

    silicon.behaviours["oll"] = answer
    made = await house.channel(silicon.url, "oll", type=4)
    assert await pulled(house, made) == lines
    assert silicon.last("oll").body == {"model": "llama", "stream": True}
    asked = routing_pb2.DeleteModelRequest(channel_id=made, model_name="llama")
    await house.routing.DeleteModel(asked, metadata=METADATA)
    assert silicon.last("oll").body == {"model": "llama"}
    found = await house.routing.GetServerVersion(
        routing_pb2.GetServerVersionRequest(channel_id=made), metadata=METADATA
    )
    assert found.version == "0.9.1"


async def test_what_ollama_refuses(house: Home, silicon: Vendor) -> None:
    def answer(asked: Asked) -> None:
        asked.whole(b'{"status": "pulling"}\n{"error": "no such model"}\n', "application/x-ndjson")

    silicon.behaviours["bad-oll"] = answer
    made = await house.channel(silicon.url, "bad-oll", type=4)
    plain = await house.channel(silicon.url, "plain", type=1)
    for channel_id, model, reason in (
        (made, "llama", "VENDOR_BROKEN"), (plain, "llama", "INVALID_REQUEST"), (made, "", "INVALID_REQUEST"),
        (999, "llama", "RECORD_NOT_FOUND"),
    ):  # fmt: skip
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await pulled(house, channel_id, model)
        assert ApiError.of(refused.value).reason == reason
