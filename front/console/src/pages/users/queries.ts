/** What is asked of accounts. */

import { queryOptions } from '@tanstack/react-query';

import { get, post } from '@/api/client';
import type { UserPage } from '@/api/payloads';
import { cache } from '@/api/site';

export const ENABLED = 1;

export interface UserFilters {
  keyword: string;
  group: string;
  role: string;
  status: string;
}

export const usersQuery = (paging: { p: number; page_size: number }, filters: UserFilters) =>
  queryOptions({
    queryKey: ['users', paging, filters],
    queryFn: ({ signal }) =>
      Object.values(filters).some(Boolean)
        ? get<UserPage>('/api/user/search', { ...paging, ...filters }, signal)
        : get<UserPage>('/api/user/', paging, signal),
  });

export const again = () => cache.invalidateQueries({ queryKey: ['users'] });

export type Action = 'disable' | 'enable' | 'promote' | 'demote';

export const manage = (id: number, action: string, more: Record<string, unknown> = {}) => post('/api/user/manage', { id, action, ...more });
