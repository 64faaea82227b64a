/** How a key is used: ready texts for the usual clients. */

export interface Snippet {
  id: string;
  /** A name that is the same in every language. */
  name: string;
  text: (base: string, key: string, model: string) => string;
}

export const snippets: Snippet[] = [
  {
    id: 'curl',
    name: 'curl',
    text: (base, key, model) => `curl ${base}/v1/chat/completions \\
  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`,
  },
  {
    id: 'python',
    name: 'Python',
    text: (base, key, model) => `from openai import OpenAI

client = OpenAI(base_url="${base}/v1", api_key="${key}")
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)`,
  },
  {
    id: 'javascript',
    name: 'JavaScript',
    text: (base, key, model) => `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${base}/v1", apiKey: "${key}" });
const answer = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "Hello" }],
});
console.log(answer.choices[0].message.content);`,
  },
  {
    id: 'anthropic',
    name: 'Anthropic',
    text: (base, key, model) => `from anthropic import Anthropic

client = Anthropic(base_url="${base}", api_key="${key}")
answer = client.messages.create(
    model="${model}",
    max_tokens=1024,
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.content[0].text)`,
  },
  {
    id: 'claude-code',
    name: 'Claude Code',
    text: (base, key, model) => `export ANTHROPIC_BASE_URL="${base}"
export ANTHROPIC_AUTH_TOKEN="${key}"
export ANTHROPIC_MODEL="${model}"
claude`,
  },
  {
    id: 'codex',
    name: 'Codex',
    text: (base, key, model) => `# ~/.codex/config.toml
model = "${model}"
model_provider = "isthmus"

[model_providers.isthmus]
name = "Isthmus"
base_url = "${base}/v1"
env_key = "ISTHMUS_KEY"
wire_api = "responses"

# shell
export ISTHMUS_KEY="${key}"`,
  },
  {
    id: 'grpc',
    name: 'gRPC',
    text: (base, key, model) => `import asyncio
from isthmus.client import Client  # pip install isthmus-sdk


async def main() -> None:
    async with Client("${new URL(base).hostname}:3001", "${key}") as client:
        answer = await client.generate("${model}", "Hello")
        print(answer.text, answer.receipt.quota)


asyncio.run(main())`,
  },
];

/** Links of the site's chat clients, filled in as New API's are. */
export function chatLinks(chats: Record<string, string>[], base: string, key: string): { name: string; href: string }[] {
  return chats.flatMap((row) =>
    Object.entries(row).map(([name, template]) => ({
      name,
      href: template.replaceAll('{address}', encodeURIComponent(base)).replaceAll('{key}', `sk-${key.replace(/^sk-/, '')}`),
    })),
  );
}
