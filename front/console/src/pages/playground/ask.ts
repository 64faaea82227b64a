/** One question to a model, streamed: what was sent, what came, when. */

import { ApiError } from '@/api/client';

export interface Turn {
  role: 'user' | 'assistant';
  text: string;
}

export interface Parameters {
  system: string;
  temperature: number | null;
  top_p: number | null;
  max_tokens: number | null;
  /** "": the model's own choice. */
  reasoning_effort: string;
  stream: boolean;
}

export interface Answer {
  text: string;
  thinking: string;
  requestId: string;
  /** Milliseconds to the first piece, and to the end. */
  firstMs: number;
  tookMs: number;
  finish: string;
  input: number;
  output: number;
  /** What came, as it came. */
  raw: string;
}

export const NOTHING: Answer = { text: '', thinking: '', requestId: '', firstMs: 0, tookMs: 0, finish: '', input: 0, output: 0, raw: '' };
export const PATH = '/v1/chat/completions';
const RAW_MOST = 200_000;

/** The request as it is sent; what is not set is not in it. */
export function body(model: string, turns: Turn[], set: Parameters): Record<string, unknown> {
  const told: Record<string, unknown> = { model, messages: turns.map((turn) => ({ role: turn.role, content: turn.text })) };
  if (set.system.trim()) told.messages = [{ role: 'system', content: set.system }, ...(told.messages as unknown[])];
  for (const name of ['temperature', 'top_p', 'max_tokens'] as const) if (set[name] !== null) told[name] = set[name];
  if (set.reasoning_effort) told.reasoning_effort = set.reasoning_effort;
  if (set.stream) Object.assign(told, { stream: true, stream_options: { include_usage: true } });
  return told;
}

interface Piece {
  choices?: { delta?: Said; message?: Said; finish_reason?: string | null }[];
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
  error?: { message?: string; code?: string; param?: string };
}
interface Said {
  content?: string | null;
  reasoning_content?: string | null;
  reasoning?: string | null;
}

function take(answer: Answer, piece: Piece): void {
  if (piece.error) throw new ApiError(piece.error.message ?? '', 500, answer.requestId, piece.error.param ?? '', piece.error.code ?? '');
  const choice = piece.choices?.[0];
  const said = choice?.delta ?? choice?.message;
  answer.text += said?.content ?? '';
  answer.thinking += said?.reasoning_content ?? said?.reasoning ?? '';
  if (choice?.finish_reason) answer.finish = choice.finish_reason;
  if (piece.usage) {
    answer.input = piece.usage.prompt_tokens ?? 0;
    answer.output = piece.usage.completion_tokens ?? 0;
  }
}

async function refusal(response: Response, requestId: string): Promise<ApiError> {
  const told = (await response.json().catch(() => null)) as Piece | null;
  const text = (told?.error?.message ?? '').replace(/ \(request id: [^)]+\)$/, '');
  return new ApiError(text, response.status, requestId, told?.error?.param ?? '', told?.error?.code ?? '');
}

/** Asks with a key; tell is called with each new state. Raises ApiError, and AbortError when stopped. */
export async function ask(sent: Record<string, unknown>, key: string, signal: AbortSignal, tell: (answer: Answer) => void): Promise<Answer> {
  const began = performance.now();
  const answer: Answer = { ...NOTHING };
  let response: Response;
  try {
    response = await fetch(PATH, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` },
      body: JSON.stringify(sent),
      credentials: 'omit',
      cache: 'no-store',
      signal,
    });
  } catch (problem) {
    if (signal.aborted) throw problem;
    throw new ApiError('', 0);
  }
  answer.requestId = response.headers.get('x-request-id') ?? '';
  if (!response.ok || !response.body) throw await refusal(response, answer.requestId);
  const update = () => {
    answer.tookMs = performance.now() - began;
    if (!answer.firstMs && (answer.text || answer.thinking)) answer.firstMs = answer.tookMs;
    tell({ ...answer });
  };
  if (!sent.stream) {
    answer.raw = await response.text();
    take(answer, JSON.parse(answer.raw) as Piece);
    update();
    return answer;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (answer.raw.length < RAW_MOST) answer.raw += value;
    rest += value;
    const lines = rest.split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const data = line.startsWith('data:') ? line.slice(5).trim() : '';
      if (data && data !== '[DONE]') take(answer, JSON.parse(data) as Piece);
    }
    update();
  }
  update();
  return answer;
}
