/** Channel types: New API's numbers, and ours from 1000 on. What a type's form asks for beside the usual. */

export const TYPES: Record<number, string> = {
  1: 'OpenAI', 3: 'Azure OpenAI', 4: 'Ollama', 8: 'Custom', 14: 'Anthropic', 15: 'Baidu', 16: 'Zhipu', 17: 'Ali (Qwen)', 18: 'Xunfei', 19: '360',
  20: 'OpenRouter', 22: 'FastGPT', 23: 'Tencent', 24: 'Gemini', 25: 'Moonshot', 26: 'Zhipu v4', 27: 'Perplexity', 31: 'LingYiWanWu',
  33: 'AWS Bedrock', 34: 'Cohere', 35: 'MiniMax', 37: 'Dify', 38: 'Jina', 39: 'Cloudflare', 40: 'SiliconFlow', 41: 'Vertex AI', 42: 'Mistral',
  43: 'DeepSeek', 44: 'MokaAI', 45: 'VolcEngine', 46: 'Baidu v2', 47: 'Xinference', 48: 'xAI', 49: 'Coze', 53: 'Submodel', 56: 'Replicate',
  58: 'Advanced Custom', 1000: 'Sandbox',
};

/** What the field `other` holds, by type: a text of channels.other.<name>. */
export const OTHER: Record<number, 'version' | 'account' | 'region' | 'plugin' | 'bot'> = {
  3: 'version', 18: 'version', 39: 'account', 41: 'region', 17: 'plugin', 49: 'bot',
};

/** What the key of a type is made of, where it is not one word. */
export const KEY_FORMS: Record<number, string> = {
  15: 'API key|Secret key',
  16: 'id.secret',
  18: 'APPID|APISecret|APIKey',
  23: 'AppId|SecretId|SecretKey',
  33: 'AccessKey|SecretKey|Region',
  46: 'token|appid',
};

/** Types whose address the operator must give. */
export const NEEDS_ADDRESS = new Set([3, 8, 47, 58]);

export const typeName = (type: number): string => TYPES[type] ?? `#${type}`;

export const typeChoices = Object.entries(TYPES)
  .map(([value, label]) => ({ value, label }))
  .sort((a, b) => a.label.localeCompare(b.label));
