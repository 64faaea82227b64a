/** Usage over time, put into the shapes the dashboard draws. */

import { keepPreviousData, queryOptions } from '@tanstack/react-query';

import { get } from '@/api/client';
import type { LogSums, UsageFlows, UsageHour, UsageHours } from '@/api/payloads';

export const HOUR = 3_600;
export const DAY = 24 * HOUR;
export const SPANS = { day: { seconds: DAY, step: HOUR }, week: { seconds: 7 * DAY, step: DAY }, month: { seconds: 29 * DAY, step: DAY } } as const;
export type Span = keyof typeof SPANS;
export type Metric = 'quota' | 'token_used' | 'count';
const MOST_SERIES = 7;

/** The time of a span, to the hour: queries of one hour are one query. */
export function period(span: Span): { start_timestamp: number; end_timestamp: number } {
  const end = Math.ceil(Date.now() / 1000 / HOUR) * HOUR;
  return { start_timestamp: startOf(end - SPANS[span].seconds, SPANS[span].step), end_timestamp: end };
}

/** The beginning of the hour or day (the reader's) a moment is in. */
export function startOf(seconds: number, step: number): number {
  const at = new Date(seconds * 1000);
  if (step === DAY) at.setHours(0, 0, 0, 0);
  else at.setMinutes(0, 0, 0);
  return at.getTime() / 1000;
}

export const hoursQuery = (span: Span, everybody: boolean) =>
  queryOptions({
    queryKey: ['usage', span, everybody],
    queryFn: ({ signal }) => get<UsageHours>(everybody ? '/api/data/' : '/api/data/self', period(span), signal),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });

export const flowQuery = (span: Span, everybody: boolean) =>
  queryOptions({
    queryKey: ['usage-flow', span, everybody],
    queryFn: ({ signal }) => get<UsageFlows>(everybody ? '/api/data/flow' : '/api/data/flow/self', period(span), signal),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });

export const nowQuery = (everybody: boolean) =>
  queryOptions({
    queryKey: ['usage-now', everybody],
    queryFn: ({ signal }) => get<LogSums>(everybody ? '/api/log/stat' : '/api/log/self/stat', {}, signal),
    refetchInterval: 15_000,
  });

export interface Total {
  name: string;
  quota: number;
  token_used: number;
  count: number;
}

/** Sums by a name, dearest first. */
export function totals<Row extends { quota: number; token_used: number; count: number }>(rows: Row[], nameOf: (row: Row) => string): Total[] {
  const found = new Map<string, Total>();
  for (const row of rows) {
    const name = nameOf(row);
    const sum = found.get(name) ?? { name, quota: 0, token_used: 0, count: 0 };
    sum.quota += row.quota;
    sum.token_used += row.token_used;
    sum.count += row.count;
    found.set(name, sum);
  }
  return [...found.values()].sort((a, b) => b.quota - a.quota || b.count - a.count);
}

/** The moments of a span's axis. */
function moments(span: Span): number[] {
  const { start_timestamp, end_timestamp } = period(span);
  const { step } = SPANS[span];
  const found: number[] = [];
  for (let at = start_timestamp; at < end_timestamp; at = startOf(at + step + (step === DAY ? 2 * HOUR : 0), step)) found.push(at);
  return found;
}

/** A line a model over the span's moments; the smaller ones together, under rest. */
export function lines(rows: UsageHour[], span: Span, metric: Metric, rest: string): { at: number[]; lines: { name: string; values: number[] }[] } {
  const at = moments(span);
  const place = new Map(at.map((moment, index) => [moment, index]));
  const order = totals(rows, (row) => row.model_name).sort((a, b) => b[metric] - a[metric]);
  const named = new Set(order.slice(0, MOST_SERIES).map((row) => row.name));
  const found = new Map<string, number[]>();
  for (const { name } of order) found.set(named.has(name) ? name : rest, at.map(() => 0));
  for (const row of rows) {
    const index = place.get(startOf(row.created_at, SPANS[span].step));
    const values = found.get(named.has(row.model_name) ? row.model_name : rest);
    if (index !== undefined && values) values[index] = (values[index] ?? 0) + row[metric];
  }
  return { at, lines: [...found].map(([name, values]) => ({ name, values })) };
}
