"""ResponsesService: answers kept between turns, each for the account it was made for."""

from __future__ import annotations

from typing import Any

from isthmus.v1 import responses_pb2, responses_pb2_grpc

from core.errors import Forbidden, InvalidRequest, RecordNotFound
from core.link.call import CallInfo, guarded_unary
from core.pipeline import vendor_kept
from core.pipeline.relay import Relay
from core.store.responses import Turn

ID_MOST = 128


class ResponsesServicer(responses_pb2_grpc.ResponsesServiceServicer):
    """KeepResponse and what is asked of kept ones."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.settings = relay.settings

    async def _find(self, info: CallInfo, response_id: str, *, history: bool = False) -> list[Turn]:
        """Newest first. Raises RecordNotFound, also for another account's."""
        principal = await self._relay.principal(info)
        _check(response_id)
        found = await self._relay.kept.find(principal.account.id, response_id, history=history)
        if not found:
            raise RecordNotFound(f"Response with id '{response_id}' not found.")
        return found

    @guarded_unary
    async def KeepResponse(  # noqa: N802 - the proto's name
        self, request: responses_pb2.KeepResponseRequest, info: CallInfo, context: Any
    ) -> responses_pb2.KeepResponseResponse:
        """Keeps an answer."""
        principal = await self._relay.principal(info)
        if not info.trusted:
            raise Forbidden("Only a front of this gateway keeps answers.")
        turn = request.turn
        _check(turn.id)
        kept = Turn(principal.account.id, turn.id, request.previous_id[:ID_MOST], turn.input_json, turn.response_json)
        return responses_pb2.KeepResponseResponse(kept=self._relay.kept.keep(kept))

    @guarded_unary
    async def GetResponse(  # noqa: N802 - the proto's name
        self, request: responses_pb2.GetResponseRequest, info: CallInfo, context: Any
    ) -> responses_pb2.GetResponseResponse:
        """An answer, or the vendor's bytes."""
        found = await self._find(info, request.id, history=request.history)
        if found[0].channel_id:
            if request.history:
                return responses_pb2.GetResponseResponse()
            body = await vendor_kept.ask(self._relay, found[0], "GET", query=request.query)
            return responses_pb2.GetResponseResponse(native=body)
        return responses_pb2.GetResponseResponse(turns=_whole(found) if request.history else _told(found))

    @guarded_unary
    async def DeleteResponse(  # noqa: N802 - the proto's name
        self, request: responses_pb2.DeleteResponseRequest, info: CallInfo, context: Any
    ) -> responses_pb2.DeleteResponseResponse:
        """Forgets an answer, at its vendor too."""
        (turn,) = await self._find(info, request.id)
        body = await vendor_kept.ask(self._relay, turn, "DELETE") if turn.channel_id else b""
        await self._relay.kept.forget(turn.user_id, turn.response_id)
        return responses_pb2.DeleteResponseResponse(native=body)

    @guarded_unary
    async def CancelResponse(  # noqa: N802 - the proto's name
        self, request: responses_pb2.CancelResponseRequest, info: CallInfo, context: Any
    ) -> responses_pb2.CancelResponseResponse:
        """Asks the vendor; what is kept here was never made in the background."""
        (turn,) = await self._find(info, request.id)
        if not turn.channel_id:
            raise InvalidRequest("Only responses that are made in the background can be cancelled.", param="id")
        return responses_pb2.CancelResponseResponse(native=await vendor_kept.ask(self._relay, turn, "POST", "/cancel"))

    @guarded_unary
    async def ListInputItems(  # noqa: N802 - the proto's name
        self, request: responses_pb2.ListInputItemsRequest, info: CallInfo, context: Any
    ) -> responses_pb2.ListInputItemsResponse:
        """What an answer was made from."""
        found = await self._find(info, request.id, history=True)
        if found[0].channel_id:
            body = await vendor_kept.ask(self._relay, found[0], "GET", "/input_items", request.query)
            return responses_pb2.ListInputItemsResponse(native=body)
        return responses_pb2.ListInputItemsResponse(turns=_told(found))


def _check(response_id: str) -> None:
    if not response_id or len(response_id) > ID_MOST or not response_id.isascii() or not response_id.isprintable():
        raise InvalidRequest("This is no id of a response.", param="id")


def _told(found: list[Turn]) -> list[responses_pb2.KeptTurn]:
    """Turns kept here, oldest first."""
    return [
        responses_pb2.KeptTurn(id=turn.response_id, input_json=turn.input_json, response_json=turn.response_json)
        for turn in reversed(found)
        if not turn.channel_id
    ]


def _whole(found: list[Turn]) -> list[responses_pb2.KeptTurn]:
    """A conversation to go on from. Raises InvalidRequest where its beginning is kept no more."""
    if found[-1].previous_id or any(turn.channel_id for turn in found):
        raise InvalidRequest(
            "The beginning of the conversation that previous_response_id names is not kept any more, or is too long. "
            "Send the whole conversation in input.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    return _told(found)
