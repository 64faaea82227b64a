"""Pictures and files by address, by official SDKs, towards vendors that want bytes; and what is refused."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import anthropic
import openai
import pytest

from tests.integration.house import House
from tests.integration.house import http as ask
from tests.integration.test_openai_sdk import png
from tests.servers import vendor as fake
from tests.servers.vendor import Asked, Vendor

PDF = b"%PDF-1.7\n" + b"x" * 100


class Shelf(http.server.BaseHTTPRequestHandler):
    """A server of files, by path."""

    asked: ClassVar[list[str]] = []
    files: ClassVar[dict[str, tuple[bytes, str]]] = {
        "/cat.png": (png(), "image/png"),
        "/lies.png": (b"<html>no</html>", "image/png"),
        "/a.pdf": (PDF, "application/pdf"),
        "/long.txt": (b"word " * 2_000_000, "text/plain"),
        "/notes.txt": (b"the notes", "text/plain"),
    }

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/inner":
            self.send_response(302)
            self.send_header("Location", "http://10.255.255.1/secret")
            self.end_headers()
            return
        if self.path not in self.files:
            self.send_error(404)
            return
        data, kind = self.files[self.path]
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def shelf() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shelf)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def gemini(asked: Asked) -> None:
    content = {"role": "model", "parts": [{"text": "fine"}]}
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 2, "totalTokenCount": 12}
    asked.whole(
        json.dumps({"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": usage}).encode()
    )


def ollama(asked: Asked) -> None:
    made = {"model": "m", "message": {"role": "assistant", "content": "fine"}, "done": True, "done_reason": "stop",
            "prompt_eval_count": 10, "eval_count": 2}  # fmt: skip
    asked.whole(json.dumps(made).encode())


def failing(asked: Asked) -> None:
    asked.whole(b'{"error":{"code":500,"message":"no","status":"INTERNAL"}}', status="500 Internal Server Error")


@pytest.fixture(scope="module")
def vendor(gateway: House) -> Iterator[Vendor]:
    with fake.vendor() as made:
        made.behaviours |= {"files-gemini": gemini, "files-failing": failing}
        ratios = json.loads(_option(gateway, "ModelRatio"))
        names = ("files-gemini", "files-ollama", "files-kimi", "files-twice")
        gateway.option("ModelRatio", json.dumps({**ratios, **dict.fromkeys(names, 1)}))
        gateway.add_channel(type=24, key="files-gemini", base_url=made.url, models="files-gemini")
        gateway.add_channel(type=4, key="files-ollama", base_url=made.url, models="files-ollama")
        gateway.add_channel(type=25, key="files-kimi", base_url=made.url, models="files-kimi")
        gateway.add_channel(type=24, key="files-failing", base_url=made.url, models="files-twice", priority=9)
        gateway.add_channel(type=4, key="files-ollama", base_url=made.url, models="files-twice")
        gateway.option("fetch_setting.allow_private_ip", "true")
        gateway.option("fetch_setting.allowed_ports", "[]")
        gateway.option("fetch_setting.ip_list", '["10.0.0.0/8"]')
        gateway.option("RetryTimes", "1")
        yield made
        for name, value in (
            ("allow_private_ip", "false"),
            ("allowed_ports", '["80","443","8080","8443"]'),
            ("ip_list", "[]"),
        ):
            gateway.option(f"fetch_setting.{name}", value)
        gateway.option("RetryTimes", "0")


def _option(gateway: House, name: str) -> str:
    return next((row["value"] for row in gateway.manage("GET", "/api/option/") if row["key"] == name), "{}")


@pytest.fixture
def client(gateway: House, vendor: Vendor) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=gateway.add_key()[1], base_url=gateway.base + "/v1", max_retries=0) as made:
        yield made


def picture(url: str) -> list[Any]:
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"},
                                         {"type": "image_url", "image_url": {"url": url}}]}]  # fmt: skip


def test_a_picture_by_address_reaches_gemini_as_bytes(client: openai.OpenAI, vendor: Vendor, shelf: str) -> None:
    answer = client.chat.completions.create(model="files-gemini", messages=picture(shelf + "/cat.png"))
    assert answer.choices[0].message.content == "fine"
    sent = vendor.last("files-gemini").body["contents"][0]["parts"][1]["inlineData"]
    assert sent == {"mimeType": "image/png", "data": base64.b64encode(png()).decode()}


def test_documents_of_anthropics_sdk_reach_gemini(gateway: House, vendor: Vendor, shelf: str) -> None:
    with anthropic.Anthropic(api_key=gateway.add_key()[1], base_url=gateway.base, max_retries=0) as client:
        documents: Any = [
            {"type": "document", "source": {"type": "url", "url": f"{shelf}/{name}"}} for name in ("a.pdf", "notes.txt")
        ]
        client.messages.create(
            model="files-gemini",
            max_tokens=50,
            messages=[{"role": "user", "content": [*documents, {"type": "text", "text": "?"}]}],
        )
    parts = vendor.last("files-gemini").body["contents"][0]["parts"]
    assert parts[0]["inlineData"]["data"] == base64.b64encode(PDF).decode()
    assert parts[1] == {"text": "the notes"}


def test_vendors_of_the_clients_own_form_that_know_no_addresses(
    client: openai.OpenAI, vendor: Vendor, shelf: str
) -> None:
    """Kimi and Ollama speak OpenAI's form, but for pictures by address."""
    for model in ("files-kimi", "files-ollama"):
        client.chat.completions.create(model=model, messages=picture(shelf + "/cat.png"))
        sent = vendor.last(model).body["messages"][0]["content"][1]["image_url"]["url"]
        assert sent == "data:image/png;base64," + base64.b64encode(png()).decode()


def test_ollamas_own_form(gateway: House, vendor: Vendor, shelf: str) -> None:
    vendor.behaviours["files-ollama"] = ollama
    try:
        with anthropic.Anthropic(api_key=gateway.add_key()[1], base_url=gateway.base, max_retries=0) as client:
            block: Any = {"type": "image", "source": {"type": "url", "url": shelf + "/cat.png"}}
            client.messages.create(model="files-ollama", max_tokens=9, messages=[{"role": "user", "content": [block]}])
    finally:
        del vendor.behaviours["files-ollama"]
    assert vendor.last("files-ollama").body["messages"][0]["images"] == [base64.b64encode(png()).decode()]


def test_fetched_once_though_two_channels_are_tried(client: openai.OpenAI, vendor: Vendor, shelf: str) -> None:
    before, failures = Shelf.asked.count("/cat.png"), vendor.counts["files-failing"]
    answer = client.chat.completions.create(model="files-twice", messages=picture(shelf + "/cat.png"))
    assert answer.choices[0].message.content == "fine"
    assert vendor.counts["files-failing"] == failures + 1
    assert Shelf.asked.count("/cat.png") == before + 1


@pytest.mark.parametrize(
    ("path", "why"),
    [("/gone.png", "answered 404"), ("/lies.png", "is not a picture"), ("/inner", "is not allowed")],
)
def test_a_failure_is_a_400_with_the_fields_path_and_costs_nothing(
    gateway: House, client: openai.OpenAI, vendor: Vendor, shelf: str, path: str, why: str
) -> None:
    asked = vendor.counts["files-gemini"]
    with pytest.raises(openai.BadRequestError, match=why) as caught:
        client.chat.completions.create(model="files-gemini", messages=picture(shelf + path))
    body: Any = caught.value.body
    assert body["param"] == "messages[0].content[1].image_url.url"
    assert shelf not in body["message"]
    assert vendor.counts["files-gemini"] == asked
    for line in gateway.logs(caught.value.response.headers["x-request-id"]):
        assert line["quota"] == 0


def test_every_dialect_names_its_own_field(gateway: House, vendor: Vendor, shelf: str) -> None:
    key = {"Authorization": f"Bearer {gateway.add_key()[1]}"}
    gone = shelf + "/gone.png"
    block = {"type": "image", "source": {"type": "url", "url": gone}}
    for path, body, field in (
        ("/v1/messages", {"model": "files-gemini", "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]},
         "messages[0].content[0].source.url"),
        ("/v1/responses", {"model": "files-gemini", "input": [{"role": "user", "content": [
            {"type": "input_image", "image_url": gone}]}]}, "input[0].content[0].image_url"),
        ("/v1beta/models/files-ollama:generateContent", {"contents": [{"parts": [
            {"text": "?"}, {"fileData": {"fileUri": gone, "mimeType": "image/png"}}]}]},
         "contents[0].parts[1].fileData.fileUri"),
        ("/v2/chat", {"model": "files-gemini", "messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": gone}}]}]}, "messages[0].content[0].image_url.url"),
    ):  # fmt: skip
        reply = ask("POST", gateway.base + path, body, key)
        assert reply.status == 400, (path, reply.body)
        assert field in reply.body.decode(), (path, reply.body)


def test_a_long_text_by_address_is_held_before_it_is_sent(gateway: House, vendor: Vendor, shelf: str) -> None:
    """A purse that holds enough for the request as it was written does not pay for ten megabytes by address."""
    _, key = gateway.add_key(remain_quota=50_000)
    asked = vendor.counts["files-gemini"]
    block = {"type": "document", "source": {"type": "url", "url": shelf + "/long.txt"}}
    body = {"model": "files-gemini", "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]}
    reply = ask("POST", gateway.base + "/v1/messages", body, {"Authorization": f"Bearer {key}"})
    assert reply.status == 403, reply.body
    assert vendor.counts["files-gemini"] == asked


def test_the_guard_is_on_unless_it_is_lifted(gateway: House, client: openai.OpenAI, vendor: Vendor, shelf: str) -> None:
    gateway.option("fetch_setting.allow_private_ip", "false")
    try:
        before = len(Shelf.asked)
        for url in (shelf + "/cat.png", shelf.replace("127.0.0.1", "2130706433") + "/cat.png",
                    shelf.replace("127.0.0.1", "[::ffff:127.0.0.1]") + "/cat.png",
                    shelf.replace("127.0.0.1", "localhost") + "/cat.png"):  # fmt: skip
            with pytest.raises(openai.BadRequestError, match="cannot be fetched"):
                client.chat.completions.create(model="files-gemini", messages=picture(url))
        assert len(Shelf.asked) == before
    finally:
        gateway.option("fetch_setting.allow_private_ip", "true")


def test_streams_give_back_what_they_fetched(gateway: House, client: openai.OpenAI, vendor: Vendor, shelf: str) -> None:
    """A stream whose client goes away after the fetch leaves no hold behind."""
    with client.chat.completions.create(
        model="files-twice", messages=picture(shelf + "/cat.png"), stream=True
    ) as stream:
        next(iter(stream))
    gateway.money()
