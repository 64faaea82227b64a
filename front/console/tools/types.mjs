// front/rest/schemas/*.json -> src/api/payloads.ts: what the server's tests hold its replies to is what the console compiles against.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { compile } from 'json-schema-to-typescript';

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, '../../rest/schemas');
const out = join(here, '../src/api/payloads.ts');

const title = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8')).title;

/** References between files become references inside one schema. */
function inside(value) {
  if (Array.isArray(value)) return value.map(inside);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, held]) =>
      name === '$ref' && typeof held === 'string' ? [name, `#/definitions/${title(held)}`] : [name, inside(held)],
    ),
  );
}

const definitions = {};
for (const name of readdirSync(folder).filter((file) => file.endsWith('.json')).sort()) {
  const { $schema: _, ...schema } = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  definitions[schema.title] = inside(schema);
}
const text = await compile({ title: 'Payloads', type: 'object', definitions }, 'Payloads', {
  additionalProperties: false, // servers may add members; the console reads only those it knows
  unreachableDefinitions: true,
  bannerComment: '// Made by tools/types.mjs from front/rest/schemas. Not to be edited.',
  format: false,
});
writeFileSync(out, text.replace(/export interface Payloads \{\s*\}\n?/, ''));
