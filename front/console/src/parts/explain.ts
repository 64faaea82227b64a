/** An error in the reader's words: what happened, what to do about it, the request's id. */

import i18next from 'i18next';

import { ApiError } from '@/api/client';

export interface Explained {
  title: string;
  text: string;
  remedy: string;
  requestId: string;
}

type Kind = 'offline' | 'signedOut' | 'forbidden' | 'missing' | 'often' | 'unready' | 'server' | 'refused' | 'unknown';

function kind(error: unknown): Kind {
  if (!(error instanceof ApiError)) return 'unknown';
  const { status } = error;
  if (status === 0) return 'offline';
  if (status === 401) return 'signedOut';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'missing';
  if (status === 429) return 'often';
  if (status === 502 || status === 503 || status === 504) return 'unready';
  return status >= 500 ? 'server' : 'refused';
}

export function explain(error: unknown): Explained {
  const found = kind(error);
  const t = i18next.t;
  const text = error instanceof ApiError ? error.message : '';
  return {
    title: t(`errors.${found}.title`),
    text: text || (found === 'unknown' && error instanceof Error ? error.message : ''),
    remedy: t(`errors.${found}.remedy`),
    requestId: error instanceof ApiError ? error.requestId : '',
  };
}
