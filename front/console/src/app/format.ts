/** Money, numbers and times in the reader's own way. */

import { useTranslation } from 'react-i18next';

import { useSite } from '@/api/site';
import type { SiteStatus } from '@/api/payloads';

import { locale } from './language';

const MILLISECONDS = 1000;

/** What a quota unit is on this site: a symbol and how many units make one of it. */
export function currency(site: SiteStatus): { code: string; symbol: string; units: number } {
  const unit = site.quota_per_unit || 1;
  switch (site.quota_display_type) {
    case 'TOKENS':
      return { code: '', symbol: '', units: 1 };
    case 'CNY':
      return { code: 'CNY', symbol: '¥', units: unit / (site.usd_exchange_rate || 1) };
    case 'CUSTOM':
      return { code: '', symbol: site.custom_currency_symbol || '¤', units: unit / (site.custom_currency_exchange_rate || 1) };
    default:
      return { code: 'USD', symbol: '$', units: unit };
  }
}

export interface Format {
  /** Quota units as money. */
  money: (units: number) => string;
  /** US dollars, for prices. */
  usd: (amount: number) => string;
  number: (value: number) => string;
  /** 12.3k, 4.5M. */
  short: (value: number) => string;
  percent: (share: number) => string;
  /** Unix seconds; 0 and below: a dash. */
  time: (seconds: number) => string;
  day: (seconds: number) => string;
  /** "3 hours ago". */
  ago: (seconds: number) => string;
  /** Quota units of an amount in the site's currency, and back. */
  units: (amount: number) => number;
  amount: (units: number) => number;
  symbol: string;
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

function fraction(value: number): number {
  const size = Math.abs(value);
  return size === 0 || size >= 1 ? 2 : size >= 0.01 ? 4 : 6;
}

/** Formats of a site, in a language's locale. */
export function formats(site: SiteStatus, tag: string): Format {
  const { code, symbol, units } = currency(site);
  const plain = new Intl.NumberFormat(tag, { maximumFractionDigits: 6 });
  const brief = new Intl.NumberFormat(tag, { notation: 'compact', maximumFractionDigits: 1 });
  const moment = new Intl.DateTimeFormat(tag, { dateStyle: 'medium', timeStyle: 'medium' });
  const date = new Intl.DateTimeFormat(tag, { dateStyle: 'medium' });
  const relative = new Intl.RelativeTimeFormat(tag, { numeric: 'auto' });
  const coin = (value: number, name: string) =>
    new Intl.NumberFormat(tag, {
      style: 'currency',
      currency: name,
      currencyDisplay: 'narrowSymbol',
      minimumFractionDigits: 2,
      maximumFractionDigits: fraction(value),
    }).format(value);
  return {
    money(held) {
      const value = held / units;
      if (code) return coin(value, code);
      if (!symbol) return plain.format(held);
      return symbol + new Intl.NumberFormat(tag, { minimumFractionDigits: 2, maximumFractionDigits: fraction(value) }).format(value);
    },
    usd: (amount) => coin(amount, 'USD'),
    number: (value) => plain.format(value),
    short: (value) => (Math.abs(value) < 10_000 ? plain.format(value) : brief.format(value)),
    percent: (share) => new Intl.NumberFormat(tag, { style: 'percent', maximumFractionDigits: 1 }).format(share),
    time: (seconds) => (seconds > 0 ? moment.format(seconds * MILLISECONDS) : '—'),
    day: (seconds) => (seconds > 0 ? date.format(seconds * MILLISECONDS) : '—'),
    ago(seconds) {
      if (seconds <= 0) return '—';
      const past = seconds - Date.now() / MILLISECONDS;
      for (const [unit, length] of STEPS) {
        if (Math.abs(past) >= length) return relative.format(Math.trunc(past / length), unit);
      }
      return relative.format(0, 'second');
    },
    units: (amount) => Math.round(amount * units),
    amount: (held) => held / units,
    symbol,
  };
}

/** The formats of this site for this reader. */
export function useFormat(): Format {
  const site = useSite();
  useTranslation(); // written anew when the language changes
  return formats(site, locale());
}
