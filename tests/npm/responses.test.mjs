// The official openai SDK of npm and its Responses as a client of a real gateway. Any warning fails the run.
import assert from "node:assert/strict";
import test from "node:test";
import OpenAI, { BadRequestError } from "openai";

const client = new OpenAI({ apiKey: process.env.ISTHMUS_KEY, baseURL: process.env.ISTHMUS_BASE, maxRetries: 0 });
const warnings = [];
process.on("warning", (warning) => warnings.push(warning));
const tools = [{
  type: "function",
  name: "weather",
  strict: false,
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
}];

// One model is relayed in its own form, the others are converted.
for (const model of process.env.ISTHMUS_RESPONSES_MODELS.split(",")) {
  test(`${model}: text`, async () => {
    const answer = await client.responses.create({ model, input: "Hello", max_output_tokens: 500 });
    assert.equal(answer.model, model);
    assert.equal(answer.status, "completed");
    assert.ok(answer.output_text);
  });

  test(`${model}: a stream says what the whole answer says`, async () => {
    const asked = { model, input: "Tell me of canals", max_output_tokens: 500 };
    const whole = await client.responses.create(asked);
    let text = "";
    const numbers = [];
    const stream = client.responses.stream(asked);
    for await (const event of stream) {
      numbers.push(event.sequence_number);
      if (event.type === "response.output_text.delta") text += event.delta;
    }
    const final = await stream.finalResponse();
    assert.equal(text, whole.output_text);
    assert.equal(final.output_text, whole.output_text);
    assert.deepEqual(final.usage, whole.usage);
    assert.deepEqual(numbers, numbers.map((_, at) => at));
  });

  test(`${model}: thoughts and tools over two turns`, async () => {
    const input = [{ role: "user", content: "[[sandbox thinking tool=weather calls=2]] The weather?" }];
    const asked = {
      model, tools, store: false, max_output_tokens: 4000,
      reasoning: { effort: "low", summary: "auto" }, include: ["reasoning.encrypted_content"],
    };
    const first = await client.responses.create({ ...asked, input });
    const calls = first.output.filter((item) => item.type === "function_call");
    assert.equal(calls.length, 2);
    assert.ok(first.output.some((item) => item.type === "reasoning" && item.encrypted_content));
    input.push(...first.output);
    for (const call of calls) {
      input.push({ type: "function_call_output", call_id: call.call_id, output: "sunny, 31 degrees" });
    }
    const second = await client.responses.create({ ...asked, input });
    assert.match(second.output_text, /sunny, 31 degrees/);
  });

  test(`${model}: an error`, async () => {
    await assert.rejects(client.responses.create({ model, input: 5 }), BadRequestError);
  });
}

test("nothing warned", () => assert.deepEqual(warnings, []));
