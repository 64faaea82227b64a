// Mistral's npm SDK as a client of Mistral's own channel and of one of each other form.
import assert from "node:assert/strict";
import test from "node:test";
import { Mistral } from "@mistralai/mistralai";
import { base, city, collect, key, mistral, order, picture, served } from "./house.mjs";

const client = new Mistral({ apiKey: key, serverURL: base });
const tools = [{ type: "function", function: { name: "weather", description: "The weather", parameters: city } }];
const user = (content) => ({ role: "user", content });

for (const { form, model } of [...served, { form: "mistral", model: mistral }]) {
  const name = (what) => `${form} ${model}: ${what}`;

  test(name("a stream says what the whole answer says"), async () => {
    const asked = { model, messages: [{ role: "system", content: "Be brief" }, user(order("chunks=4 delay_ms=30"))] };
    const whole = await client.chat.complete(asked);
    assert.equal(whole.choices[0].message.content, "The sandbox heard: Hello there, dear gateway");
    assert.equal(whole.choices[0].finishReason, "stop");
    const events = await collect(await client.chat.stream(asked));
    const pieces = events.map((event) => event.data.choices[0]?.delta.content ?? "");
    assert.equal(pieces.join(""), whole.choices[0].message.content);
    assert.equal(events.at(-1).data.choices[0].finishReason, "stop");
    assert.ok(whole.usage.completionTokens > 0);
  });

  test(name("an agent over two questions"), async () => {
    const messages = [];
    for (const [question, calls] of [["tool=weather calls=2", 2], ["tool=weather", 1]]) {
      messages.push(user(order(question)));
      const first = await client.chat.complete({ model, tools, messages });
      const { message, finishReason } = first.choices[0];
      assert.equal(finishReason, "tool_calls");
      assert.equal(message.toolCalls.length, calls);
      messages.push({ ...message, role: "assistant" });
      for (const call of message.toolCalls) {
        messages.push({ role: "tool", toolCallId: call.id, name: call.function.name, content: "rain" });
      }
      const second = await client.chat.complete({ model, tools, messages });
      assert.match(second.choices[0].message.content, /rain/);
      messages.push({ ...second.choices[0].message, role: "assistant" });
    }
  });

  test(name("structured output"), async () => {
    const jsonSchema = { name: "city", schemaDefinition: { ...city, additionalProperties: false }, strict: true };
    const asked = { model, messages: [user("A city")], responseFormat: { type: "json_schema", jsonSchema } };
    const answer = await client.chat.complete(asked);
    assert.deepEqual(Object.keys(JSON.parse(answer.choices[0].message.content)), ["city"]);
  });

  // OpenAI's own channels get these bytes as they are, and take only an object there.
  if (form === "openai") continue;
  test(name("pictures, whose address is a plain text"), async () => {
    const content = [
      { type: "text", text: "What is this?" },
      { type: "image_url", imageUrl: `data:image/png;base64,${picture}` },
    ];
    const answer = await client.chat.complete({ model, messages: [user(content)] });
    assert.match(answer.choices[0].message.content, /1 image of 67 bytes/);
  });
}

test("embeddings and models", async () => {
  const found = await client.embeddings.create({ model: "mistral-embed", inputs: ["one", "two"] });
  assert.deepEqual(found.data.map((one) => one.index), [0, 1]);
  const models = await client.models.list();
  // Ours lack the capabilities of Mistral's own cards, so that its SDK keeps them as they came.
  assert.ok(JSON.stringify(models).includes(mistral));
});
