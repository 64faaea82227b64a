// The official openai SDK of npm and its Responses as a client of channels of each vendor form.
import assert from "node:assert/strict";
import test from "node:test";
import OpenAI, { APIError, BadRequestError } from "openai";
import { base, broken, chatOnly, city, collect, key, order, picture, served } from "./house.mjs";

const client = new OpenAI({ apiKey: key, baseURL: `${base}/v1`, maxRetries: 0 });
const tools = [{ type: "function", name: "weather", strict: false, parameters: city }];
const max_output_tokens = 4000;

// OpenAI's own channels relay the form, the others convert it; chatOnly is of OpenAI's form, but without Responses.
for (const { form, model } of [...served, { form: "chat", model: chatOnly }]) {
  const name = (what) => `${form} ${model}: ${what}`;

  test(name("text"), async () => {
    const asked = { model, input: "Hello", instructions: "Be brief", max_output_tokens };
    const answer = await client.responses.create(asked);
    assert.equal(answer.model, model);
    assert.equal(answer.status, "completed");
    assert.equal(answer.output_text, "The sandbox heard: Hello");
  });

  test(name("a stream says what the whole answer says"), async () => {
    const asked = { model, input: order("chunks=4 delay_ms=30"), max_output_tokens };
    const whole = await client.responses.create(asked);
    const stream = client.responses.stream(asked);
    const events = await collect(stream);
    const final = await stream.finalResponse();
    const deltas = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
    assert.ok(deltas.length >= 4, `${deltas.length} pieces`);
    assert.equal(deltas.join(""), whole.output_text);
    assert.equal(final.output_text, whole.output_text);
    assert.deepEqual(final.usage, whole.usage);
    assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, at) => at));
  });

  for (const streamed of [false, true]) {
    test(name(`${streamed ? "streamed " : ""}thoughts and parallel tools over two turns`), async () => {
      const input = [{ role: "user", content: order("thinking tool=weather calls=2") }];
      const asked = {
        model, tools, store: false, max_output_tokens,
        reasoning: { effort: "low", summary: "auto" }, include: ["reasoning.encrypted_content"],
      };
      const first = streamed
        ? await client.responses.stream({ ...asked, input }).finalResponse()
        : await client.responses.create({ ...asked, input });
      const calls = first.output.filter((item) => item.type === "function_call");
      assert.equal(calls.length, 2);
      assert.ok(first.output.some((item) => item.type === "reasoning" && item.encrypted_content));
      const items = first.output.map(({ parsed_arguments, ...item }) => item);
      const output = "sunny, 31 degrees";
      const outputs = calls.map(({ call_id }) => ({ type: "function_call_output", call_id, output }));
      const second = await client.responses.create({ ...asked, input: [...input, ...items, ...outputs] });
      assert.match(second.output_text, /sunny, 31 degrees/);
    });
  }

  test(name("pictures"), async () => {
    const content = [
      { type: "input_text", text: "What is this?" },
      { type: "input_image", image_url: `data:image/png;base64,${picture}`, detail: "auto" },
    ];
    const answer = await client.responses.create({ model, input: [{ role: "user", content }], max_output_tokens });
    assert.match(answer.output_text, /1 image of 67 bytes/);
  });

  test(name("structured output"), async () => {
    const schema = { ...city, additionalProperties: false };
    const format = { type: "json_schema", name: "city", strict: true, schema };
    const answer = await client.responses.parse({ model, input: "A city", text: { format }, max_output_tokens });
    assert.deepEqual(Object.keys(answer.output_parsed), ["city"]);
  });

  test(name("length stop"), async () => {
    const asked = { model, input: order("tokens=200"), max_output_tokens: 16 };
    const answer = await client.responses.create(asked);
    assert.deepEqual([answer.status, answer.incomplete_details.reason], ["incomplete", "max_output_tokens"]);
    const events = await collect(await client.responses.create({ ...asked, stream: true }));
    assert.equal(events.at(-1).type, "response.incomplete");
  });

  test(name("errors before the answer"), async () => {
    await assert.rejects(client.responses.create({ model, input: 5 }), BadRequestError);
    for (const stream of [false, true]) {
      await assert.rejects(client.responses.create({ model, input: order("status=400"), stream }), BadRequestError);
    }
  });

  test(name("an error inside the stream"), async () => {
    const input = order("error_in_stream chunks=6 delay_ms=30");
    const { items, error } = await broken(await client.responses.create({ model, input, stream: true }));
    assert.ok(items.some((event) => event.type === "response.output_text.delta"));
    assert.ok(error instanceof APIError && error.error.message, String(error));
    assert.equal(error.error.type, "error");
  });
}
