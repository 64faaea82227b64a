/** What is asked of channels. */

import { queryOptions } from '@tanstack/react-query';

import { get, whole } from '@/api/client';
import type { Channel, ChannelPage, ChannelTest, Names } from '@/api/payloads';
import { cache } from '@/api/site';
import type { Tone } from '@/parts/Tag';

export const ENABLED = 1;
export const DISABLED = 2;
export const AUTO_DISABLED = 3;

export const states: Record<number, { name: 'enabled' | 'disabled' | 'auto'; tone: Tone }> = {
  [ENABLED]: { name: 'enabled', tone: 'good' },
  [DISABLED]: { name: 'disabled', tone: 'plain' },
  [AUTO_DISABLED]: { name: 'auto', tone: 'bad' },
};

export interface ChannelFilters {
  keyword: string;
  group: string;
  model: string;
  status: string;
  type: string;
}

/** Columns -> the names by which the server sorts. */
export const SORTS: Record<string, string> = { name: 'name', priority: 'priority', balance: 'balance', response: 'response_time', tested: 'test_time', id: 'id' };

export const channelsQuery = (paging: { p: number; page_size: number }, filters: ChannelFilters, sort: string, descending: boolean) =>
  queryOptions({
    queryKey: ['channels', paging, filters, sort, descending],
    queryFn: ({ signal }) => {
      const { keyword, model, ...rest } = filters;
      const query = { ...paging, ...rest, keyword, model, sort_by: SORTS[sort] ?? '', sort_order: sort ? (descending ? 'desc' : 'asc') : '' };
      return get<ChannelPage>(keyword || model ? '/api/channel/search' : '/api/channel/', query, signal);
    },
  });

export const groupNamesQuery = queryOptions({ queryKey: ['group-names'], queryFn: () => get<Names>('/api/group/'), staleTime: 60_000 });

export const again = () => cache.invalidateQueries({ queryKey: ['channels'] });

/** A small request through a channel; success tells how it went. */
export async function testChannel(channel: Channel, model = '', stream = false): Promise<ChannelTest> {
  const query = new URLSearchParams({ ...(model && { model }), ...(stream && { stream: 'true' }) }).toString();
  return whole<ChannelTest>('GET', `/api/channel/test/${channel.id}${query ? `?${query}` : ''}`);
}

/** Names by comma, each once. */
export const split = (text: string): string[] => [...new Set(text.split(',').map((name) => name.trim()).filter(Boolean))];
