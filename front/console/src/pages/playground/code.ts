/** The request of the playground as a program. */

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Python's literals where JSON has others. */
function python(value: unknown, indent = '    '): string {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map((item) => python(item, indent)).join(', ')}]`;
  if (typeof value === 'object') return `{${Object.entries(value as object).map(([name, held]) => `${JSON.stringify(name)}: ${python(held, indent)}`).join(', ')}}`;
  return JSON.stringify(value);
}

interface Sent {
  messages: { role: string; content: string }[];
  model: string;
  stream?: boolean;
  [name: string]: unknown;
}

/** Languages a request is written in. */
export const languages = [
  {
    id: 'curl',
    name: 'curl',
    write: (base: string, key: string, sent: Sent) =>
      `curl ${base}/v1/chat/completions \\\n  -H "Authorization: Bearer ${key}" \\\n  -H "Content-Type: application/json" \\\n  -d ${quote(JSON.stringify(sent, null, 2))}`,
  },
  {
    id: 'python',
    name: 'Python',
    write: (base: string, key: string, sent: Sent) => {
      const fields = Object.entries(sent).map(([name, value]) => `    ${name}=${python(value)},`).join('\n');
      const use = sent.stream
        ? 'for chunk in answer:\n    if chunk.choices:\n        print(chunk.choices[0].delta.content or "", end="")'
        : 'print(answer.choices[0].message.content)';
      return `from openai import OpenAI\n\nclient = OpenAI(base_url="${base}/v1", api_key="${key}")\nanswer = client.chat.completions.create(\n${fields}\n)\n${use}`;
    },
  },
  {
    id: 'javascript',
    name: 'JavaScript',
    write: (base: string, key: string, sent: Sent) => {
      const use = sent.stream
        ? 'for await (const chunk of answer) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");'
        : 'console.log(answer.choices[0].message.content);';
      return `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${base}/v1", apiKey: "${key}" });\nconst answer = await client.chat.completions.create(${JSON.stringify(sent, null, 2)});\n${use}`;
    },
  },
  {
    id: 'grpc',
    name: 'gRPC',
    write: (base: string, key: string, sent: Sent) => {
      const kind: Record<string, string> = { system: 'system', user: 'user', assistant: 'assistant' };
      const said = sent.messages.map((turn) => `        messages.${kind[turn.role] ?? 'user'}(${JSON.stringify(turn.content)}),`).join('\n');
      return `import asyncio\n\nfrom isthmus.client import Client, messages  # pip install isthmus-sdk\n\n\nasync def main() -> None:\n    said = [\n${said}\n    ]\n    async with Client("${new URL(base).hostname}:3001", "${key}") as client:\n        answer = await client.generate("${sent.model}", said)\n        print(answer.text, answer.receipt.quota)\n\n\nasyncio.run(main())`;
    },
  },
] as const;

export type { Sent };
