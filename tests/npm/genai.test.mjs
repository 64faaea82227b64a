// The official @google/genai SDK of npm as a client of channels of each vendor form.
import assert from "node:assert/strict";
import test from "node:test";
import { ApiError, GoogleGenAI } from "@google/genai";
import { base, broken, city, collect, embeddings, key, order, picture, served } from "./house.mjs";

const made = (apiKey, options = {}) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: base }, ...options });
const { models, chats } = made(key);
const user = (...said) => ({ role: "user", parts: said.map((one) => (typeof one === "string" ? { text: one } : one)) });
const parts = (response) => response.candidates[0].content?.parts ?? [];
const failed = (status) => (error) => error instanceof ApiError && error.status === status;
const tools = [{ functionDeclarations: [{ name: "weather", description: "The weather", parametersJsonSchema: city }] }];

for (const { form, model } of served) {
  const name = (what) => `${form} ${model}: ${what}`;
  const ask = (contents, config = {}) => ({ model, contents, config: { maxOutputTokens: 4000, ...config } });

  test(name("text"), async () => {
    const answer = await models.generateContent(ask("Hello", { systemInstruction: "Be brief" }));
    assert.equal(answer.text, "The sandbox heard: Hello");
    assert.equal(answer.modelVersion, model);
    assert.equal(answer.candidates[0].finishReason, "STOP");
    assert.ok(answer.usageMetadata.promptTokenCount > 0);
  });

  test(name("a stream says what the whole answer says"), async () => {
    const asked = ask(order("chunks=4 delay_ms=30"));
    const whole = await models.generateContent(asked);
    const chunks = await collect(await models.generateContentStream(asked));
    assert.ok(chunks.length >= 4, `${chunks.length} chunks`);
    assert.equal(chunks.map((chunk) => chunk.text ?? "").join(""), whole.text);
    assert.deepEqual(chunks.at(-1).usageMetadata, whole.usageMetadata);
    assert.equal(chunks.at(-1).candidates[0].finishReason, "STOP");
  });

  for (const streamed of [false, true]) {
    for (const thinking of [false, true]) {
      const how = `${streamed ? "streamed " : ""}parallel tools over two turns${thinking ? ", with thoughts" : ""}`;
      test(name(how), async () => {
        const config = { tools, ...(thinking && { thinkingConfig: { includeThoughts: true, thinkingBudget: 2048 } }) };
        const question = user(order("tool=weather calls=2 chunks=3"));
        const answers = streamed
          ? await collect(await models.generateContentStream(ask([question], config)))
          : [await models.generateContent(ask([question], config))];
        const told = answers.flatMap(parts);
        const calls = told.flatMap((part) => part.functionCall ?? []);
        assert.deepEqual(calls.map((call) => [call.name, call.args]), Array(2).fill(["weather", { city: "sandbox" }]));
        assert.notEqual(calls[0].id, calls[1].id);
        if (thinking) {
          assert.ok(told.some((part) => part.thought && part.text), "no thoughts");
          if (form !== "openai") assert.ok(told.some((part) => part.thoughtSignature), "no signature");
        }
        const results = calls.map(({ id }, at) => ({
          functionResponse: { id, name: "weather", response: { output: ["sun", "rain"][at] } },
        }));
        const history = [question, { role: "model", parts: told }, user(...results)];
        const second = await models.generateContent(ask(history, config));
        assert.match(second.text, /sun.*rain/s);
      });
    }
  }

  test(name("a chat keeps its history"), async () => {
    const chat = chats.create({ model, config: { maxOutputTokens: 4000 } });
    assert.ok((await chat.sendMessage({ message: "Hello" })).text);
    await collect(await chat.sendMessageStream({ message: "And then?" }));
    assert.deepEqual(chat.getHistory(true).map((turn) => turn.role).slice(0, 3), ["user", "model", "user"]);
  });

  test(name("pictures"), async () => {
    const inlineData = { mimeType: "image/png", data: picture };
    const answer = await models.generateContent(ask([user("What is this?", { inlineData })]));
    assert.match(answer.text, /1 image of 67 bytes/);
  });

  test(name("structured output"), async () => {
    const config = { responseMimeType: "application/json", responseJsonSchema: city };
    assert.deepEqual(Object.keys(JSON.parse((await models.generateContent(ask("A city", config))).text)), ["city"]);
  });

  test(name("length stop"), async () => {
    const asked = ask(order("tokens=50"), { maxOutputTokens: 5 });
    assert.equal((await models.generateContent(asked)).candidates[0].finishReason, "MAX_TOKENS");
    const chunks = await collect(await models.generateContentStream(asked));
    assert.equal(chunks.at(-1).candidates[0].finishReason, "MAX_TOKENS");
  });

  for (const status of [400, 429, 500]) {
    test(name(`${status} before the answer`), async () => {
      const asked = ask(order(`status=${status}`));
      await assert.rejects(models.generateContent(asked), failed(status));
      await assert.rejects(models.generateContentStream(asked), failed(status));
    });
  }

  test(name("an error inside the stream"), async () => {
    const stream = await models.generateContentStream(ask(order("error_in_stream chunks=6 delay_ms=30")));
    const { items, error } = await broken(stream);
    assert.ok(items.some((chunk) => chunk.text));
    assert.ok(error instanceof ApiError && error.status >= 500, String(error));
  });
}

for (const model of embeddings) {
  test(`${model}: embeddings`, async () => {
    const answer = await models.embedContent({ model, contents: ["one", "two"], config: { outputDimensionality: 8 } });
    assert.deepEqual(answer.embeddings.map((one) => one.values.length), [8, 8]);
  });
}

test("models and refusals", async () => {
  const { model } = served[0];
  const names = (await collect(await models.list({ config: { pageSize: 2 } }))).map((one) => one.name);
  for (const one of served) assert.ok(names.includes(`models/${one.model}`), one.model);
  await assert.rejects(made("sk-wrong").models.generateContent({ model, contents: "Hello" }), failed(401));
  await assert.rejects(models.generateContent({ model: "no-such", contents: "Hello" }), failed(404));
  assert.ok((await made(key, { apiVersion: "v1" }).models.generateContent({ model, contents: "Hello" })).text);
});
