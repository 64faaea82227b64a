// The official @anthropic-ai/sdk of npm as a client of channels of each vendor form.
import assert from "node:assert/strict";
import test from "node:test";
import Anthropic, { APIError, AuthenticationError, NotFoundError } from "@anthropic-ai/sdk";
import { jsonSchemaOutputFormat } from "@anthropic-ai/sdk/helpers/json-schema";
import { base, broken, city, collect, key, order, picture, served } from "./house.mjs";

const client = new Anthropic({ apiKey: key, baseURL: base, maxRetries: 0 });
const { messages } = client;
const user = (content) => ({ role: "user", content });
const said = (message) => message.content.flatMap((block) => (block.type === "text" ? block.text : [])).join("");
const tools = [{ name: "weather", description: "The weather", input_schema: city }];
const max_tokens = 4000;

for (const { form, model } of served) {
  const name = (what) => `${form} ${model}: ${what}`;
  const ask = (content, more = {}) => ({ model, max_tokens, messages: [user(content)], ...more });

  test(name("text"), async () => {
    const answer = await messages.create(ask("Hello", { system: "Be brief" }));
    assert.equal(said(answer), "The sandbox heard: Hello");
    assert.deepEqual([answer.model, answer.stop_reason, answer.role], [model, "end_turn", "assistant"]);
    assert.ok(answer.usage.input_tokens > 0 && answer._request_id);
  });

  test(name("a stream says what the whole answer says"), async () => {
    const asked = ask(order("chunks=4 delay_ms=30"));
    const whole = await messages.create(asked);
    const events = await collect(await messages.create({ ...asked, stream: true }));
    assert.ok(events.filter((event) => event.type === "content_block_delta").length >= 4);
    const final = await messages.stream(asked).finalMessage();
    assert.equal(said(final), said(whole));
    assert.equal(final.stop_reason, "end_turn");
    for (const what of ["input_tokens", "output_tokens"]) assert.equal(final.usage[what], whole.usage[what]);
  });

  const adaptive = model.startsWith("claude-sonnet");
  const thoughts = adaptive ? { type: "adaptive", display: "summarized" } : { type: "enabled", budget_tokens: 1024 };
  for (const streamed of [false, true]) {
    for (const thinking of [undefined, thoughts]) {
      const how = `${streamed ? "streamed " : ""}parallel tools over two turns${thinking ? ", with thoughts" : ""}`;
      test(name(how), async () => {
        const asked = ask(order("tool=weather calls=2"), { tools, thinking });
        const first = streamed ? await messages.stream(asked).finalMessage() : await messages.create(asked);
        assert.equal(first.stop_reason, "tool_use");
        const calls = first.content.filter((block) => block.type === "tool_use");
        assert.deepEqual(calls.map((call) => [call.name, call.input]), Array(2).fill(["weather", { city: "sandbox" }]));
        assert.notEqual(calls[0].id, calls[1].id);
        if (thinking) {
          assert.deepEqual([first.content[0].type, typeof first.content[0].signature], ["thinking", "string"]);
          assert.ok(first.content[0].thinking, "no thoughts");
          if (form !== "openai") assert.ok(first.content[0].signature, "no signature");
        }
        const results = calls.map(({ id }, at) => {
          return { type: "tool_result", tool_use_id: id, content: ["sun", "rain"][at] };
        });
        const turns = [...asked.messages, { role: "assistant", content: first.content }, user(results)];
        const { data, response } = await messages.create({ ...asked, messages: turns }).withResponse();
        assert.match(said(data), /sun.*rain/s);
        if (form !== "openai") assert.doesNotMatch(response.headers.get("x-isthmus-dropped") ?? "", /parts/);
      });
    }
  }

  test(name("pictures"), async () => {
    const source = { type: "base64", media_type: "image/png", data: picture };
    const answer = await messages.create(ask([{ type: "image", source }, { type: "text", text: "What is this?" }]));
    assert.match(said(answer), /1 image of 67 bytes/);
  });

  test(name("structured output"), async () => {
    const format = jsonSchemaOutputFormat({ ...city, additionalProperties: false });
    const answer = await messages.parse(ask("A city", { output_config: { format } }));
    assert.deepEqual(Object.keys(answer.parsed_output), ["city"]);
  });

  test(name("length stop"), async () => {
    const asked = ask(order("tokens=50"), { max_tokens: 5 });
    assert.equal((await messages.create(asked)).stop_reason, "max_tokens");
    assert.equal((await messages.stream(asked).finalMessage()).stop_reason, "max_tokens");
  });

  for (const [status, error] of [
    [400, "BadRequestError"], [429, "RateLimitError"], [500, "InternalServerError"], [529, "InternalServerError"],
  ]) {
    test(name(`${status} before the answer`), async () => {
      for (const stream of [false, true]) {
        await assert.rejects(messages.create(ask(order(`status=${status}`), { stream })), (told) => {
          assert.ok(told instanceof Anthropic[error], String(told));
          assert.deepEqual([told.error.type, told.error.request_id], ["error", told.requestID]);
          return true;
        });
      }
    });
  }

  test(name("an error inside the stream"), async () => {
    const stream = await messages.create(ask(order("error_in_stream chunks=6 delay_ms=30"), { stream: true }));
    const { items, error } = await broken(stream);
    assert.ok(items.some((event) => event.type === "content_block_delta"));
    assert.ok(error instanceof APIError, String(error));
    assert.equal(error.error.type, "error");
  });

  test(name("counted tokens"), async () => {
    const short = await messages.countTokens({ model, messages: [user("Hello")] });
    const long = await messages.countTokens({ model, messages: [user("Hello, my dear old friend")], tools });
    assert.ok(0 < short.input_tokens && short.input_tokens < long.input_tokens);
  });
}

test("models and refusals", async () => {
  const { model } = served[0];
  const names = (await collect(client.models.list({ limit: 2 }))).map((one) => one.id);
  for (const one of served) assert.ok(names.includes(one.model), one.model);
  const wrong = client.withOptions({ apiKey: "sk-wrong" });
  await assert.rejects(wrong.messages.create({ model, max_tokens, messages: [user("Hello")] }), AuthenticationError);
  await assert.rejects(messages.create({ model: "no-such", max_tokens, messages: [user("Hello")] }), NotFoundError);
});
