/** What every page knows: the site and who is signed in. */

import { QueryClient, queryOptions, useQuery, useSuspenseQuery } from '@tanstack/react-query';

import { accountId, ApiError, get } from './client';
import type { Self, SiteStatus } from './payloads';

export const USER = 1;
export const ADMIN = 10;
export const ROOT = 100;

export const cache = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      refetchOnWindowFocus: false,
      retry: (tries, problem) => tries < 2 && problem instanceof ApiError && (problem.status === 0 || problem.status >= 502),
    },
  },
});

export const siteQuery = queryOptions({
  queryKey: ['site'],
  queryFn: () => get<SiteStatus>('/api/status'),
  staleTime: 5 * 60_000,
});

export const selfQuery = queryOptions({
  queryKey: ['self'],
  queryFn: async () => (accountId() ? get<Self>('/api/user/self') : null),
  staleTime: 30_000,
});

/** The site; pages are shown only once it is known. */
export function useSite(): SiteStatus {
  return useSuspenseQuery(siteQuery).data;
}

/** One's own account; null: nobody is signed in. */
export function useMaybeSelf(): Self | null {
  return useQuery(selfQuery).data ?? null;
}

/** One's own account, on pages that only those see who are signed in. */
export function useSelf(): Self {
  const self = useSuspenseQuery(selfQuery).data;
  if (!self) throw new ApiError('', 401);
  return self;
}

/** Whether one's role reaches a level. */
export function useIs(level: number): boolean {
  return (useMaybeSelf()?.role ?? 0) >= level;
}
