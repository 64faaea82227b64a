// The official openai SDK of npm, chat and embeddings, as a client of channels of each vendor form.
import assert from "node:assert/strict";
import test from "node:test";
import OpenAI, { APIError, AuthenticationError, NotFoundError } from "openai";
import { base, broken, city, collect, embeddings, key, order, picture, served } from "./house.mjs";

const client = new OpenAI({ apiKey: key, baseURL: `${base}/v1`, maxRetries: 0 });
const chat = client.chat.completions;
const user = (content) => [{ role: "user", content }];
const tools = [{ type: "function", function: { name: "weather", description: "The weather", parameters: city } }];

for (const { form, model } of served) {
  const name = (what) => `${form} ${model}: ${what}`;

  test(name("text"), async () => {
    const answer = await chat.create({ model, messages: [{ role: "system", content: "Be brief" }, ...user("Hello")] });
    assert.equal(answer.model, model);
    assert.equal(answer.choices[0].message.content, "The sandbox heard: Hello");
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    assert.ok(answer._request_id);
  });

  test(name("a stream says what the whole answer says"), async () => {
    const asked = { model, messages: user(order("chunks=4 delay_ms=30")) };
    const whole = await chat.create(asked);
    const stream_options = { include_usage: true };
    const chunks = await collect(await chat.create({ ...asked, stream: true, stream_options }));
    assert.ok(chunks.length >= 6, `${chunks.length} chunks`);
    const said = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
    assert.equal(said, whole.choices[0].message.content);
    assert.deepEqual(chunks.at(-1).usage, whole.usage);
    const final = await chat.stream(asked).finalChatCompletion();
    assert.equal(final.choices[0].message.content, whole.choices[0].message.content);
  });

  for (const streamed of [false, true]) {
    for (const effort of [undefined, "medium"]) {
      const how = `${streamed ? "streamed " : ""}parallel tools over two turns${effort ? ", with thoughts" : ""}`;
      test(name(how), async () => {
        const messages = user(order("tool=weather calls=2"));
        const asked = { model, tools, messages, reasoning_effort: effort, max_completion_tokens: 4000 };
        const first = streamed ? await chat.stream(asked).finalChatCompletion() : await chat.create(asked);
        const { message, finish_reason } = first.choices[0];
        assert.equal(finish_reason, "tool_calls");
        const calls = message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]);
        assert.deepEqual(calls, Array(2).fill(["weather", { city: "sandbox" }]));
        const ids = message.tool_calls.map((call) => call.id);
        assert.notEqual(ids[0], ids[1]);
        if (effort) assert.ok(message.reasoning_content, "no thoughts");
        // In the other order: results belong to their calls by id.
        const results = [[1, "rain"], [0, "sun"]].map(([at, content]) => {
          return { role: "tool", tool_call_id: ids[at], content };
        });
        const turn = { ...asked, messages: [...messages, message, ...results] };
        const { data, response } = await chat.create(turn).withResponse();
        assert.match(data.choices[0].message.content, /sun/);
        assert.match(data.choices[0].message.content, /rain/);
        assert.doesNotMatch(response.headers.get("x-isthmus-dropped") ?? "", /thinking/);
      });
    }
  }

  test(name("pictures"), async () => {
    const url = `data:image/png;base64,${picture}`;
    const content = [{ type: "text", text: "What is this?" }, { type: "image_url", image_url: { url } }];
    const answer = await chat.create({ model, messages: user(content) });
    assert.match(answer.choices[0].message.content, /1 image of 67 bytes/);
  });

  test(name("structured output"), async () => {
    const json_schema = { name: "city", strict: true, schema: { ...city, additionalProperties: false } };
    const response_format = { type: "json_schema", json_schema };
    const answer = await chat.parse({ model, messages: user("A city"), response_format });
    assert.deepEqual(Object.keys(answer.choices[0].message.parsed), ["city"]);
  });

  test(name("length stop"), async () => {
    const asked = { model, messages: user(order("tokens=50")), max_completion_tokens: 5 };
    assert.equal((await chat.create(asked)).choices[0].finish_reason, "length");
    const chunks = await collect(await chat.create({ ...asked, stream: true }));
    assert.equal(chunks.at(-1).choices[0].finish_reason, "length");
  });

  for (const [status, error] of [[400, "BadRequestError"], [429, "RateLimitError"], [500, "InternalServerError"]]) {
    test(name(`${status} before the answer`), async () => {
      for (const stream of [false, true]) {
        const asked = { model, messages: user(order(`status=${status}`)), stream };
        await assert.rejects(chat.create(asked), (told) => {
          assert.ok(told instanceof OpenAI[error], String(told));
          assert.ok(told.requestID && told.error.message);
          return true;
        });
      }
    });
  }

  test(name("an error inside the stream"), async () => {
    const asked = { model, messages: user(order("error_in_stream chunks=6 delay_ms=30")), stream: true };
    const { items, error } = await broken(await chat.create(asked));
    assert.ok(items.some((chunk) => chunk.choices[0]?.delta.content));
    assert.ok(error instanceof APIError, String(error));
    assert.ok(error.error.message);
  });
}

for (const model of embeddings) {
  test(`${model}: embeddings`, async () => {
    const answer = await client.embeddings.create({ model, input: ["one", "two"], dimensions: 8 });
    assert.deepEqual(answer.data.map((item) => [item.index, item.embedding.length]), [[0, 8], [1, 8]]);
    assert.notDeepEqual(answer.data[0].embedding, answer.data[1].embedding);
  });
}

test("models and refusals", async () => {
  const { model } = served[0];
  assert.ok((await collect(await client.models.list())).some((one) => one.id === model));
  const wrong = client.withOptions({ apiKey: "sk-wrong" });
  await assert.rejects(wrong.chat.completions.create({ model, messages: user("Hello") }), AuthenticationError);
  await assert.rejects(chat.create({ model: "no-such", messages: user("Hello") }), NotFoundError);
});
