// Cohere's npm SDK, version 2 of its API, as a client of Cohere's own channel and of one of each other form.
import assert from "node:assert/strict";
import test from "node:test";
import { CohereClientV2, CohereError } from "cohere-ai";
import { base, city, cohere, collect, key, order, served } from "./house.mjs";

const client = new CohereClientV2({ token: key, environment: base });
const tools = [{ type: "function", function: { name: "weather", description: "The weather", parameters: city } }];
const user = (content) => ({ role: "user", content });

for (const { form, model } of [...served, { form: "cohere", model: cohere }]) {
  const name = (what) => `${form} ${model}: ${what}`;

  test(name("a stream says what the whole answer says"), async () => {
    const asked = { model, messages: [{ role: "system", content: "Be brief" }, user(order("chunks=4 delay_ms=30"))] };
    const whole = await client.chat(asked);
    const said = whole.message.content.find((part) => part.type === "text").text;
    assert.equal(whole.finishReason, "COMPLETE");
    assert.match(said, /The sandbox heard: Hello/);
    const events = await collect(await client.chatStream(asked));
    const pieces = events.filter((event) => event.type === "content-delta").map((event) => event.delta.message.content.text);
    assert.equal(pieces.join(""), said);
    assert.equal(events.at(-1).delta.finishReason, "COMPLETE");
    assert.ok(whole.usage.tokens.inputTokens > 0);
  });

  test(name("an agent over two questions"), async () => {
    const messages = [];
    for (const [question, calls] of [["tool=weather calls=2", 2], ["tool=weather", 1]]) {
      messages.push(user(order(question)));
      const { message, finishReason } = await client.chat({ model, tools, messages });
      assert.equal(finishReason, "TOOL_CALL");
      assert.equal(message.toolCalls.length, calls);
      messages.push(message);
      for (const call of message.toolCalls) {
        assert.deepEqual(JSON.parse(call.function.arguments), { city: "sandbox" });
        messages.push({ role: "tool", toolCallId: call.id, content: "rain" });
      }
      const second = await client.chat({ model, tools, messages });
      assert.match(second.message.content.map((part) => part.text ?? "").join(""), /rain/);
      messages.push(second.message);
    }
  });

  test(name("structured output"), async () => {
    const responseFormat = { type: "json_object", jsonSchema: city };
    const { message } = await client.chat({ model, messages: [user("A city")], responseFormat });
    const text = message.content.find((part) => part.type === "text").text;
    assert.deepEqual(Object.keys(JSON.parse(text)), ["city"]);
  });
}

test("errors", async () => {
  const wrong = new CohereClientV2({ token: "sk-wrong", environment: base });
  const asked = { model: cohere, messages: [user("Hello")] };
  await assert.rejects(wrong.chat(asked), (error) => error instanceof CohereError && error.statusCode === 401);
});
