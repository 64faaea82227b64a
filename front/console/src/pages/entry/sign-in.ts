/** What follows a sign-in: the account is remembered, the page that was wanted opens. */

import { useLocation, useNavigate } from '@tanstack/react-router';

import { setAccountId } from '@/api/client';
import type { SignedIn } from '@/api/payloads';
import { cache, selfQuery } from '@/api/site';

/** Only paths of this site: an address may come from anybody. */
export function safePath(wanted: string | undefined): string {
  return wanted && /^\/(?![/\\])/.test(wanted) ? wanted : '/';
}

export function useSignedIn(): (told: SignedIn) => Promise<void> {
  const navigate = useNavigate();
  const search = useLocation().search as Record<string, string>;
  return async (told) => {
    setAccountId(told.id ?? 0);
    cache.removeQueries({ predicate: (query) => query.queryKey[0] !== 'site' && query.queryKey[0] !== 'self' });
    await cache.fetchQuery({ ...selfQuery, staleTime: 0 });
    await navigate({ to: safePath(search.next), replace: true });
  };
}
