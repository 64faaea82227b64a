/** What models cost, in quota units a million tokens or a call. */

import { queryOptions } from '@tanstack/react-query';

import { accountId, whole } from '@/api/client';
import type { Price, Pricing } from '@/api/payloads';

export const pricingQuery = queryOptions({
  queryKey: ['pricing', accountId()],
  queryFn: () => whole<Pricing>('GET', '/api/pricing'),
  staleTime: 60_000,
});

export const PER_CALL = 1;
const MILLION = 1_000_000;

export const KINDS = ['input', 'output', 'cached', 'written', 'image', 'audioIn', 'audioOut', 'call'] as const;
export type Kind = (typeof KINDS)[number];

/** Units of each kind for a group's ratio; per million tokens, or per call. unit: units of one US dollar. */
export function costs(price: Price, ratio: number, unit: number): [Kind, number][] {
  if (price.quota_type === PER_CALL) return [['call', price.model_price * unit * ratio]];
  const base = price.model_ratio * MILLION * ratio;
  const found: [Kind, number | undefined][] = [
    ['input', base],
    ['output', base * price.completion_ratio],
    ['cached', price.cache_ratio === undefined ? undefined : base * price.cache_ratio],
    ['written', price.create_cache_ratio === undefined ? undefined : base * price.create_cache_ratio],
    ['image', price.image_ratio === undefined ? undefined : base * price.image_ratio],
    ['audioIn', price.audio_ratio === undefined ? undefined : base * price.audio_ratio],
    ['audioOut', price.audio_ratio === undefined ? undefined : base * price.audio_ratio * (price.audio_completion_ratio ?? 1)],
  ];
  return found.filter((row): row is [Kind, number] => row[1] !== undefined);
}

/** Groups of the reader's that serve a model. */
export function groupsOf(price: Price, pricing: Pricing): string[] {
  const mine = Object.keys(pricing.group_ratio);
  return price.enable_groups.includes('all') ? mine : mine.filter((name) => price.enable_groups.includes(name));
}
