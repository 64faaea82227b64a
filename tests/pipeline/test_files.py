"""Files by address on their way into a request: once each, of the right kind, under the client's own field's name."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from isthmus.v1 import chat_pb2, embedding_pb2

from core.errors import InvalidRequest
from core.fetch.fetcher import Budget, Fetched, Room
from core.fetch.rules import Refused, Rules
from core.pipeline.files import MOST, Files, text_bytes
from core.vendors.interface import WantsBytes
from core.vendors.registry import ALL

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
FILES: Mapping[str, Fetched] = {
    "https://a.org/p.png": Fetched(PNG, "image/png"),
    "https://a.org/x/report.pdf?v=1": Fetched(b"%PDF-1.7 x", "application/pdf"),
    "https://a.org/notes.md": Fetched("Grüße".encode(), "text/markdown"),
    "https://a.org/a.wav": Fetched(b"RIFF1234WAVE", "audio/wav"),
    "https://a.org/unknown": Fetched(bytes(9), ""),
}


class Fetcher:
    """Gives what is in FILES."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def fetch(self, url: str, rules: Rules, budget: Budget) -> Fetched:
        self.asked.append(url)
        await asyncio.sleep(0)
        if url not in FILES:
            raise Refused("its server answered 404")
        budget.take(len(FILES[url].data))
        return FILES[url]


def files() -> tuple[Files, Fetcher, Room]:
    fetcher, room = Fetcher(), Room(1 << 30)
    made: Any = fetcher
    return Files(made, Rules(), Budget(room, 1 << 30)), fetcher, room


def everything(kind: str, url: str) -> bool:
    return True


def chat(*parts: tuple[str, str], param: str = "") -> chat_pb2.ChatRequest:
    made = chat_pb2.ChatRequest()
    message = made.messages.add(role=chat_pb2.ROLE_USER)
    for kind, url in parts:
        media = getattr(message.parts.add(), kind).media
        media.url, media.param = url, param
    return made


async def test_bytes_take_the_place_of_addresses() -> None:
    held, fetcher, room = files()
    asked = chat(
        ("image", "https://a.org/p.png"), ("file", "https://a.org/x/report.pdf?v=1"),
        ("file", "https://a.org/notes.md"), ("audio", "https://a.org/a.wav"), ("image", "https://a.org/p.png"),
    )  # fmt: skip
    before = asked.SerializeToString(deterministic=True)
    ready = await held.ready(asked, everything)
    assert asked.SerializeToString(deterministic=True) == before, "a received message is never changed"
    picture, pdf, notes, sound, again = ready.messages[0].parts
    assert base64.b64decode(picture.image.media.base64) == PNG
    assert picture.image.media.mime_type == "image/png"
    assert again == picture
    assert (pdf.file.name, pdf.file.media.mime_type) == ("report.pdf", "application/pdf")
    assert (notes.file.media.text, notes.file.media.mime_type) == ("Grüße", "text/markdown")
    assert sound.audio.format == "wav"
    assert text_bytes(ready) == len("Grüße".encode())
    # Once a request, whatever is asked after it.
    assert sorted(fetcher.asked) == sorted(set(fetcher.asked))
    await held.ready(asked, everything)
    assert len(fetcher.asked) == 4
    assert room.held
    held.close()
    assert not room.held


async def test_tool_results_documents_and_embeddings_are_looked_into() -> None:
    held, fetcher, _ = files()
    asked = chat_pb2.ChatRequest()
    result = asked.messages.add().parts.add().tool_result
    result.content.add().image.media.url = "https://a.org/p.png"
    asked.messages[0].parts.add().file.content.add().image.media.url = "https://a.org/p.png"
    ready = await held.ready(asked, everything)
    assert ready.messages[0].parts[0].tool_result.content[0].image.media.base64
    assert ready.messages[0].parts[1].file.content[0].image.media.base64
    embedding = embedding_pb2.Embedding()
    embedding.inputs.add().parts.parts.add().image.media.url = "https://a.org/p.png"
    assert (await held.ready(embedding, everything)).inputs[0].parts.parts[0].image.media.base64
    assert len(fetcher.asked) == 1


@pytest.mark.parametrize("url", ["gs://bucket/a.png", "s3://bucket/a.png", "data:image/svg+xml,%3Csvg/%3E", "ms://1"])
async def test_other_schemes_are_the_vendors_business(url: str) -> None:
    held, fetcher, _ = files()
    asked = chat(("image", url))
    assert await held.ready(asked, everything) is asked
    assert not fetcher.asked


async def test_what_the_form_takes_by_address_stays() -> None:
    held, fetcher, _ = files()
    asked = chat(("image", "https://a.org/p.png"), ("file", "https://a.org/x/report.pdf?v=1"))
    ready = await held.ready(asked, lambda kind, url: kind == "file")
    assert ready.messages[0].parts[0].image.media.url == "https://a.org/p.png"
    assert fetcher.asked == ["https://a.org/x/report.pdf?v=1"]


@pytest.mark.parametrize(
    ("kind", "url", "why"),
    [
        ("image", "https://a.org/gone.png", "cannot be fetched: its server answered 404"),
        ("image", "https://a.org/notes.md", "is not a picture"),
        ("image", "https://a.org/x/report.pdf?v=1", "is not a picture"),
        ("audio", "https://a.org/p.png", "is not sound"),
        ("video", "https://a.org/p.png", "is not a film"),
        ("file", "https://a.org/unknown", "is not a file of a known kind"),
    ],
)
async def test_a_failure_names_the_clients_field(kind: str, url: str, why: str) -> None:
    for param, path in (("input[3].content[1].image_url", "input[3].content[1].image_url"),
                        ("", f"chat.messages[0].parts[1].{kind}.media.url")):  # fmt: skip
        held, _, room = files()
        with pytest.raises(InvalidRequest, match=why) as caught:
            await held.ready(chat(("image", "https://a.org/p.png"), (kind, url), param=param), everything)
        assert caught.value.param == path
        assert path in caught.value.message
        assert "a.org" not in caught.value.message, "an address may hold a secret"
        held.close()
        assert not room.held


async def test_too_many() -> None:
    held, fetcher, _ = files()
    with pytest.raises(InvalidRequest, match=f"More than {MOST} files"):
        await held.ready(chat(*[("image", f"https://a.org/{n}") for n in range(MOST + 1)]), everything)
    assert not fetcher.asked


FORMS = [(number, form) for number, row in ALL.items() for form in (*row.chat, *row.embedding)]
NEED: Mapping[str, Callable[[str, str], bool]] = {
    "gemini.generate": lambda kind, url: "youtube" not in url and "generativelanguage" not in url,
    "gemini.embed": lambda kind, url: "youtube" not in url and "generativelanguage" not in url,
    "bedrock.converse": everything,
    "ollama.chat": everything,
    "ollama.generate": everything,
    "cohere.embed": everything,
    "cohere.chat": lambda kind, url: kind == "file",
    "openai.responses": lambda kind, url: kind == "audio",
}
URLS = [
    "https://a.org/p.png", "http://a.org/p.png", "https://a.org/x.pdf", "https://www.youtube.com/watch?v=1",
    "https://generativelanguage.googleapis.com/v1beta/files/1",
]  # fmt: skip


@pytest.mark.parametrize(("number", "form"), FORMS, ids=[f"{number}-{form.name}" for number, form in FORMS])
def test_which_forms_want_bytes(number: int, form: Any) -> None:
    """By the vendors' references: what each form takes by address is left to it."""
    for kind in ("image", "audio", "video", "file"):
        for url in URLS:
            wants = isinstance(form, WantsBytes) and form.wants_bytes(kind, url)
            if form.name in NEED:
                assert wants == NEED[form.name](kind, url), (kind, url)
            elif form.name == "anthropic.messages":
                cloud = number in (33, 41)
                unheld = not url.startswith("https") or (kind == "file" and not url.endswith(".pdf"))
                assert wants == (cloud or unheld), (kind, url)
            elif form.name == "openai.chat":
                assert wants == (kind in ("file", "audio") or number in (4, 25)), (kind, url)
