// What every client's tests share: the gateway's address, a model of each vendor form, and that nothing warns.
import assert from "node:assert/strict";
import { after } from "node:test";

export const base = process.env.ISTHMUS_BASE;
export const key = process.env.ISTHMUS_KEY;
// Models and the form of the channel that alone serves each (tests/npm/run.py).
export const served = Object.entries(JSON.parse(process.env.ISTHMUS_FORMS)).flatMap(
  ([form, models]) => models.map((model) => ({ form, model })),
);
export const embeddings = process.env.ISTHMUS_EMBEDDINGS.split(",");
export const chatOnly = process.env.ISTHMUS_CHAT_ONLY;
export const cohere = process.env.ISTHMUS_COHERE;
export const mistral = process.env.ISTHMUS_MISTRAL;

// One pixel, 67 bytes.
export const picture =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";
export const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

// Orders for the Sandbox (docs/sandbox.md).
export const order = (words, text = "Hello there, dear gateway") => `${text} [[sandbox ${words}]]`;

// Every item of a stream.
export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

// What a stream told before it failed, and the error. Fails where it does not fail.
export async function broken(stream) {
  const items = [];
  try {
    for await (const item of stream) items.push(item);
  } catch (error) {
    return { items, error };
  }
  return assert.fail(`the stream ended well after ${items.length} items`);
}

const warnings = [];
process.on("warning", (warning) => warnings.push(String(warning)));
for (const name of ["warn", "error"]) console[name] = (...told) => warnings.push(told.map(String).join(" "));
after(async () => {
  await new Promise(setImmediate);
  assert.deepEqual(warnings, []);
});
