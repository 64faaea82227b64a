/** What is asked of the log: one's own, or everybody's for administrators. */

import { keepPreviousData, queryOptions } from '@tanstack/react-query';

import { get } from '@/api/client';
import type { LogLine, LogOther, LogPage, LogSums } from '@/api/payloads';

export const CONSUME = 2;
export const ERROR = 5;
export const TYPES = [1, 2, 3, 4, 5, 6, 7] as const;
export const RANGES = { hour: 3_600, day: 86_400, week: 7 * 86_400, month: 30 * 86_400, all: 0 };
export type Range = keyof typeof RANGES;

export const FILTERS = {
  type: '0', range: 'week', model_name: '', token_name: '', request_id: '', group: '', username: '', channel: '', scope: 'all', live: '',
};
export type Filters = typeof FILTERS;
const LIVE_MS = 3_000;

const path = (everybody: boolean, rest = '') => `/api/log/${everybody ? '' : 'self'}${rest && (everybody ? rest : `/${rest}`)}`;

function asked(filters: Filters, everybody: boolean): Record<string, string | number | undefined> {
  const seconds = RANGES[filters.range as Range] ?? 0;
  const { type, model_name, token_name, request_id, group, username, channel } = filters;
  return {
    type,
    model_name,
    token_name,
    request_id,
    group,
    ...(everybody ? { username, channel } : {}),
    start_timestamp: seconds ? Math.floor(Date.now() / 1000) - seconds : undefined,
  };
}

export const logsQuery = (filters: Filters, paging: { p: number; page_size: number }, everybody: boolean) =>
  queryOptions({
    queryKey: ['logs', everybody, filters, paging],
    queryFn: ({ signal }) => get<LogPage>(path(everybody), { ...asked(filters, everybody), ...paging }, signal),
    placeholderData: keepPreviousData,
    refetchInterval: filters.live ? LIVE_MS : false,
  });

export const sumsQuery = (filters: Filters, everybody: boolean) =>
  queryOptions({
    queryKey: ['log-sums', everybody, filters],
    queryFn: ({ signal }) => get<LogSums>(path(everybody, 'stat'), asked(filters, everybody), signal),
    placeholderData: keepPreviousData,
    refetchInterval: filters.live ? LIVE_MS : false,
  });

/** The line of one request; it is written shortly after the answer. */
export const requestQuery = (requestId: string) =>
  queryOptions({
    queryKey: ['log-request', requestId],
    queryFn: async () => (await get<LogPage>('/api/log/self', { request_id: requestId, p: 1, page_size: 10 })).items[0] ?? null,
    refetchInterval: (query) => (query.state.data || query.state.dataUpdateCount > 20 ? false : 500),
  });

/** What is beside a request's line; null for lines of other kinds. */
export function other(line: LogLine): LogOther | null {
  try {
    const found = JSON.parse(line.other || '{}') as Partial<LogOther>;
    return found.receipt ? (found as LogOther) : null;
  } catch {
    return null;
  }
}
