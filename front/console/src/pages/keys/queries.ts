/** What is asked of one's own keys. */

import { queryOptions } from '@tanstack/react-query';

import { get, post } from '@/api/client';
import type { Groups, Names, Secret, Token, TokenPage } from '@/api/payloads';
import { cache } from '@/api/site';

export const ENABLED = 1;
export const DISABLED = 2;
export const EXPIRED = 3;
export const EXHAUSTED = 4;

/** A page of keys; keyword: part of a name. */
export const tokensQuery = (paging: { p: number; page_size: number }, keyword: string) =>
  queryOptions({
    queryKey: ['keys', paging, keyword],
    queryFn: ({ signal }) =>
      keyword
        ? get<TokenPage>('/api/token/search', { ...paging, keyword: keyword.length > 1 ? `%${keyword}%` : keyword }, signal)
        : get<TokenPage>('/api/token/', paging, signal),
  });

export const modelsQuery = queryOptions({ queryKey: ['models'], queryFn: () => get<Names>('/api/user/models'), staleTime: 60_000 });
export const groupsQuery = queryOptions({ queryKey: ['groups'], queryFn: () => get<Groups>('/api/user/self/groups'), staleTime: 60_000 });

/** A key in full, with sk-; asked for once and kept in memory while the page lives: reveals are limited and logged. */
export async function reveal(id: number): Promise<string> {
  const told = await cache.fetchQuery({
    queryKey: ['key-secret', id],
    queryFn: () => post<Secret>(`/api/token/${id}/key`),
    staleTime: Infinity,
  });
  return `sk-${told.key.replace(/^sk-/, '')}`;
}

/** Status as a word and a tone. */
export const states = {
  [ENABLED]: { name: 'enabled', tone: 'good' },
  [DISABLED]: { name: 'disabled', tone: 'plain' },
  [EXPIRED]: { name: 'expired', tone: 'warn' },
  [EXHAUSTED]: { name: 'exhausted', tone: 'bad' },
} as const;

export function stateOf(token: Token): (typeof states)[keyof typeof states] {
  return states[token.status as keyof typeof states] ?? states[DISABLED];
}
