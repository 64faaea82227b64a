// The official openai SDK of npm as a client of a real gateway. Any warning fails the run.
import assert from "node:assert/strict";
import test from "node:test";
import OpenAI, { AuthenticationError, NotFoundError } from "openai";

const client = new OpenAI({ apiKey: process.env.ISTHMUS_KEY, baseURL: process.env.ISTHMUS_BASE, maxRetries: 0 });
const model = "gpt-4o";
const warnings = [];
process.on("warning", (warning) => warnings.push(warning));

test("text", async () => {
  const answer = await client.chat.completions.create({ model, messages: [{ role: "user", content: "Hello" }] });
  assert.equal(answer.model, model);
  assert.ok(answer.choices[0].message.content);
  assert.equal(answer.choices[0].finish_reason, "stop");
});

test("a stream says what the whole answer says", async () => {
  const messages = [{ role: "user", content: "Tell me of canals" }];
  const whole = await client.chat.completions.create({ model, messages });
  let text = "";
  let usage;
  const stream = await client.chat.completions.create({
    model, messages, stream: true, stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.deepEqual(usage, whole.usage);
});

test("tools over two turns", async () => {
  const tools = [{
    type: "function",
    function: {
      name: "weather",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  }];
  const messages = [{ role: "user", content: "The weather in Panama?" }];
  const first = await client.chat.completions.create({ model, messages, tools, tool_choice: "required" });
  const calls = first.choices[0].message.tool_calls;
  assert.equal(calls[0].function.name, "weather");
  messages.push(first.choices[0].message);
  for (const call of calls) messages.push({ role: "tool", tool_call_id: call.id, content: "sunny, 31 degrees" });
  const second = await client.chat.completions.create({ model, messages, tools });
  assert.match(second.choices[0].message.content, /sunny, 31 degrees/);
});

test("structured output", async () => {
  const answer = await client.chat.completions.create({
    model,
    messages: [{ role: "user", content: "A city" }],
    response_format: {
      type: "json_schema",
      json_schema: {
        name: "city",
        schema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
      },
    },
  });
  assert.equal(typeof JSON.parse(answer.choices[0].message.content).name, "string");
});

test("embeddings", async () => {
  const answer = await client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] });
  assert.deepEqual(answer.data.map((item) => item.index), [0, 1]);
  assert.ok(answer.data[0].embedding.length > 0);
});

test("errors", async () => {
  const wrong = new OpenAI({ apiKey: "sk-wrong", baseURL: process.env.ISTHMUS_BASE, maxRetries: 0 });
  const messages = [{ role: "user", content: "Hello" }];
  await assert.rejects(wrong.chat.completions.create({ model, messages }), AuthenticationError);
  await assert.rejects(client.chat.completions.create({ model: "no-such", messages }), NotFoundError);
});

test("nothing warned", () => assert.deepEqual(warnings, []));
