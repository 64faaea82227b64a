// Vercel's AI SDK over its OpenAI, Anthropic and Google providers as a client of channels of each vendor form.
import assert from "node:assert/strict";
import test from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { embedMany, generateText, isStepCount, Output, streamText, tool } from "ai";
import { z } from "zod";
import { base, chatOnly, embeddings, key, order, picture, served } from "./house.mjs";

const openai = createOpenAI({ apiKey: key, baseURL: `${base}/v1` });
const anthropic = createAnthropic({ apiKey: key, baseURL: `${base}/v1` });
const google = createGoogle({ apiKey: key, baseURL: `${base}/v1beta` });
const spoken = {
  chat: (model) => openai.chat(model),
  responses: (model) => openai.responses(model),
  anthropic: (model) => anthropic(model),
  google: (model) => google(model),
};
const weather = tool({
  description: "The weather of a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `rain in ${city}`,
});
// Thoughts, as each provider asks for them.
const thinks = {
  chat: () => ({ openai: { reasoningEffort: "low" } }),
  responses: () => ({ openai: { reasoningEffort: "low", reasoningSummary: "auto", forceReasoning: true } }),
  anthropic: (model) => ({
    anthropic: { thinking: model.includes("5-5") ? { type: "adaptive" } : { type: "enabled", budgetTokens: 1024 } },
  }),
  google: () => ({ google: { thinkingConfig: { includeThoughts: true } } }),
};
// Without it, Responses' history is ids of what the vendor keeps, and the gateway keeps nothing.
const keepNothing = { openai: { store: false } };
const settings = { maxRetries: 0, maxOutputTokens: 4000 };

for (const { form, model } of [...served, { form: "chat only", model: chatOnly }]) {
  for (const [dialect, make] of Object.entries(spoken)) {
    const name = (what) => `${dialect} to ${form} ${model}: ${what}`;
    const stores = dialect === "responses" ? { providerOptions: keepNothing } : {};
    const ask = (prompt, more = {}) => ({ model: make(model), prompt, ...settings, ...stores, ...more });

    test(name("text, whole and streamed"), async () => {
      const whole = await generateText(ask(order("chunks=4 delay_ms=30"), { system: "Be brief" }));
      assert.equal(whole.text, "The sandbox heard: Hello there, dear gateway");
      assert.equal(whole.finishReason, "stop");
      assert.ok(whole.usage.inputTokens > 0 && whole.usage.outputTokens > 0);
      const streamed = streamText(ask(order("chunks=4 delay_ms=30"), { system: "Be brief" }));
      const pieces = [];
      for await (const piece of streamed.textStream) pieces.push(piece);
      assert.ok(pieces.length >= 4, `${pieces.length} pieces`);
      assert.equal(pieces.join(""), whole.text);
      assert.equal((await streamed.usage).outputTokens, whole.usage.outputTokens);
    });

    for (const thinking of [false, true]) {
      test(name(`an agent${thinking ? " that thinks" : ""}, whole and streamed`), async () => {
        const { prompt, ...asked } = ask("", { tools: { weather }, stopWhen: isStepCount(4) });
        if (thinking) {
          const wanted = thinks[dialect](model);
          asked.providerOptions = { ...wanted, ...(stores.providerOptions ? { openai: { ...wanted.openai, store: false } } : {}) };
        }
        for (const run of [generateText, streamText]) {
          const messages = [];
          for (const [question, calls] of [["tool=weather calls=2", 2], ["tool=weather", 1]]) {
            messages.push({ role: "user", content: order(question) });
            const told = run({ ...asked, messages });
            const done = run === streamText ? told : await told;
            const steps = await done.steps;
            assert.deepEqual(steps.map((step) => step.toolCalls.length), [calls, 0]);
            assert.match(await done.text, calls === 2 ? /rain in sandbox.*; .*rain in sandbox/ : /rain in sandbox/);
            messages.push(...(await done.responseMessages ?? (await done.response).messages));
          }
        }
      });
    }

    test(name("structured output"), async () => {
      const schema = z.object({ name: z.string(), people: z.number(), rivers: z.array(z.string()) });
      const { output } = await generateText(ask("A city", { output: Output.object({ schema }) }));
      assert.deepEqual(Object.keys(output).sort(), ["name", "people", "rivers"]);
    });

    test(name("pictures"), async () => {
      const image = { type: "file", data: picture, mediaType: "image/png" };
      const content = [{ type: "text", text: "What is this?" }, image];
      const { prompt, ...asked } = ask("");
      const { text } = await generateText({ ...asked, messages: [{ role: "user", content }] });
      assert.match(text, /1 image of 67 bytes/);
    });
  }
}

test("embeddings", async () => {
  for (const model of [openai.embedding(embeddings[0]), google.embedding(embeddings[1])]) {
    const { embeddings: vectors } = await embedMany({ model, values: ["one", "two"], maxRetries: 0 });
    assert.equal(vectors.length, 2);
    assert.notDeepEqual(vectors[0], vectors[1]);
  }
});
