/** Routes, made of the table of pages. Search parameters are plain texts: addresses stay readable. */

import { createRootRoute, createRoute, createRouter, lazyRouteComponent, useLocation, useNavigate } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';

import { ErrorPanel } from '@/parts/ErrorPanel';
import { NotFound } from '@/parts/NotFound';

import { Frame } from './Frame';
import { pages } from './pages';

const root = createRootRoute({ component: Frame, notFoundComponent: NotFound });

export const router = createRouter({
  routeTree: root.addChildren(
    pages.map((page) => createRoute({ getParentRoute: () => root, path: page.path, component: lazyRouteComponent(page.load) })),
  ),
  defaultPreload: 'intent',
  defaultErrorComponent: ({ error, reset }) => <ErrorPanel error={error} retry={reset} />,
  scrollRestoration: false,
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const kept = Object.entries(search).filter(([, value]) => value !== undefined && value !== null && value !== '');
    const text = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
    return text ? `?${text}` : '';
  },
});

/**
 * What a page keeps in the address: texts with defaults; what equals its default is left out.
 * Nothing is lost on reload, and an address can be sent to somebody else.
 */
export function useAddress<T extends Record<string, string>>(defaults: T): [T, (change: Partial<T>) => void] {
  const search = useLocation().search as Record<string, string>;
  const navigate = useNavigate();
  const values = useMemo(() => {
    const found: Record<string, string> = { ...defaults };
    for (const name of Object.keys(defaults)) found[name] = search[name] ?? defaults[name] ?? '';
    return found as T;
    // eslint-disable-next-line react-hooks/exhaustive-deps -- defaults are written in place by callers
  }, [search, JSON.stringify(defaults)]);
  const change = useCallback(
    (wanted: Partial<T>) => {
      void navigate({
        to: '.',
        replace: true,
        resetScroll: false,
        search: ((before: Record<string, string>) => {
          const next: Record<string, string | undefined> = { ...before, ...wanted };
          for (const name of Object.keys(next)) if (next[name] === defaults[name]) next[name] = undefined;
          return next;
        }) as never,
      });
    },
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [navigate, JSON.stringify(defaults)],
  );
  return [values, change];
}
