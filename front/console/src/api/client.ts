/** One way to ask the gateway: same-origin, with the header that names the account, errors as ApiError. */

const ACCOUNT = 'isthmus.account';
const REQUEST_ID = / \(request id: ([^)]+)\)$/;

/** A refusal, with what helps: the server's text, the field it is about, the request's id. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly requestId = '',
    readonly param = '',
    readonly code = '',
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** The id of who is signed in here; 0: nobody. The session itself is a cookie that scripts never see. */
export function accountId(): number {
  return Number(localStorage.getItem(ACCOUNT) ?? 0);
}

export function setAccountId(id: number): void {
  if (id) localStorage.setItem(ACCOUNT, String(id));
  else localStorage.removeItem(ACCOUNT);
}

export interface Asked {
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  /** An API key instead of the session. */
  key?: string;
  signal?: AbortSignal;
}

/** Called when the session has ended on the server. */
let onSignedOut = () => {};

export function whenSignedOut(call: () => void): void {
  onSignedOut = call;
}

function address(path: string, query: Asked['query']): string {
  const sent = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== '') sent.set(name, String(value));
  }
  const text = sent.toString();
  return text ? `${path}?${text}` : path;
}

function headers(asked: Asked): Headers {
  const sent = new Headers({ Accept: 'application/json' });
  if (asked.body !== undefined) sent.set('Content-Type', 'application/json');
  if (asked.key) sent.set('Authorization', `Bearer ${asked.key}`);
  else if (accountId()) sent.set('New-Api-User', String(accountId()));
  return sent;
}

interface Envelope {
  success?: boolean;
  message?: string;
  code?: unknown;
  param?: string;
  data?: unknown;
}

function failure(response: Response, told: Envelope | null): ApiError {
  const text = told?.message ?? '';
  const id = REQUEST_ID.exec(text)?.[1] ?? response.headers.get('x-request-id') ?? '';
  const code = typeof told?.code === 'string' ? told.code : '';
  return new ApiError(text.replace(REQUEST_ID, ''), response.status, id, told?.param ?? '', code);
}

/** The whole reply, for routes with members beside `data`. Raises ApiError. */
export async function whole<T>(method: string, path: string, asked: Asked = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address(path, asked.query), {
      method,
      headers: headers(asked),
      body: asked.body === undefined ? undefined : JSON.stringify(asked.body),
      credentials: asked.key ? 'omit' : 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      signal: asked.signal,
    });
  } catch (problem) {
    if (asked.signal?.aborted) throw problem;
    throw new ApiError('', 0);
  }
  const told = (await response.json().catch(() => null)) as Envelope | null;
  const refused = told?.success === false || (told?.success === undefined && told?.code !== true);
  if (!response.ok || told === null || refused) {
    const error = failure(response, told);
    if (response.status === 401 && accountId() && !asked.key) {
      setAccountId(0);
      onSignedOut();
    }
    throw error;
  }
  return told as T;
}

/** The reply's `data`. Raises ApiError. */
export async function ask<T>(method: string, path: string, asked: Asked = {}): Promise<T> {
  return (await whole<{ data: T }>(method, path, asked)).data;
}

export const get = <T>(path: string, query?: Asked['query'], signal?: AbortSignal) => ask<T>('GET', path, { query, signal });
export const post = <T = null>(path: string, body: unknown = {}) => ask<T>('POST', path, { body });
export const put = <T = null>(path: string, body: unknown, query?: Asked['query']) => ask<T>('PUT', path, { body, query });
export const remove = <T = null>(path: string, query?: Asked['query']) => ask<T>('DELETE', path, { query });

/** New API's page, as every list comes. */
export interface Page<Row> {
  page: number;
  page_size: number;
  total: number;
  items: Row[] | null;
}
