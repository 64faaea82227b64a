/** What a table keeps in the address: its page, size, order, hidden columns, and the page's own filters. */

import { useCallback } from 'react';

import { useAddress } from '@/app/router';

export interface TableState<Filters extends Record<string, string>> {
  /** The filters, as texts. */
  filters: Filters;
  /** Changes filters; the first page is shown again. */
  filter: (change: Partial<Filters>) => void;
  clear: () => void;
  /** Whether any filter differs from its default. */
  filtered: boolean;
  page: number;
  size: number;
  sort: string;
  descending: boolean;
  hidden: string[];
  turn: (change: { p?: string; size?: string; sort?: string; order?: string; hide?: string }) => void;
  /** The query of New API's lists: p, page_size. */
  paging: { p: number; page_size: number };
}

export const SIZES = ['10', '20', '50', '100'];

const remembered = (name: string) => localStorage.getItem(`isthmus.table.${name}`) ?? '';

/** name: of the table; its columns are remembered under it. hide: columns hidden at first. */
export function useTable<Filters extends Record<string, string>>(
  name: string,
  defaults: Filters,
  hide: string[] = [],
): TableState<Filters> {
  const [size0, hide0] = (remembered(name) || `20|${hide.join(',')}`).split('|') as [string, string];
  const [values, change] = useAddress({ ...defaults, p: '1', size: size0, sort: '', order: 'desc', hide: hide0 || '-' });
  const size = SIZES.includes(values.size) ? Number(values.size) : 20;
  const page = Math.max(1, Number(values.p) || 1);
  const filter = useCallback((wanted: Partial<Filters>) => change({ ...wanted, p: '1' } as never), [change]);
  return {
    filters: values as unknown as Filters,
    filter,
    clear: () => filter(defaults),
    filtered: Object.entries(defaults).some(([key, value]) => (values as Record<string, string>)[key] !== value),
    page,
    size,
    sort: values.sort,
    descending: values.order !== 'asc',
    hidden: values.hide === '-' ? [] : values.hide.split(','),
    turn(wanted) {
      const next = wanted.hide === '' ? { ...wanted, hide: '-' } : wanted;
      change(next as never);
      if (next.size !== undefined || next.hide !== undefined) {
        const kept = `${next.size ?? values.size}|${(next.hide ?? values.hide).replace(/^-$/, '')}`;
        localStorage.setItem(`isthmus.table.${name}`, kept);
      }
    },
    paging: { p: page, page_size: size },
  };
}
