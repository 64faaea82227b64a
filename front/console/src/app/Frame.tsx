/** Around every page: is the site set up, who is signed in, may he see this page, and with which frame. */

import { Suspense, useEffect, useRef } from 'react';
import { useQuery } from '@tanstack/react-query';
import { Navigate, Outlet, useLocation, useMatches, useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { accountId, whenSignedOut } from '@/api/client';
import type { Self, SiteStatus } from '@/api/payloads';
import { cache, selfQuery, siteQuery } from '@/api/site';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { NotAllowed } from '@/parts/NotFound';
import { PageSkeleton } from '@/parts/PageSkeleton';

import { languages, speak } from './language';
import { type Page, pages } from './pages';
import { Plain } from './Plain';
import { Shell } from './Shell';

/** Whether a path is a page's; $ names take any one part. */
function fits(pattern: string, path: string): boolean {
  const [wanted, found] = [pattern, path].map((text) => text.split('/').filter(Boolean)) as [string[], string[]];
  return wanted.length === found.length && wanted.every((part, at) => part.startsWith('$') || part === found[at]);
}

/** Which page the address names. */
export function usePage(): Page | undefined {
  const path = useLocation().pathname;
  return pages.find((page) => fits(page.path, path));
}

/** Which page is still drawn: the one that was left, until the next one is here. */
function useDrawn(): Page | undefined {
  const path = String(useMatches().at(-1)?.fullPath ?? '');
  return pages.find((page) => page.path === path);
}

/** Where to go instead of a page; "" to stay. */
function elsewhere(site: SiteStatus, self: Self | null, page: Page | undefined, at: string): string {
  if (!site.setup) return page?.name === 'setup' ? '' : '/setup';
  if (page?.name === 'setup') return '/';
  if (page && page.level > 0 && !self) return at === '/' ? '/login' : `/login?next=${encodeURIComponent(at)}`;
  return '';
}

/** The account's language, once, when this browser has chosen none. */
function useOwnLanguage(self: Self | null): void {
  useEffect(() => {
    if (!self || localStorage.getItem('isthmus.language')) return;
    const told = /"language":"([a-zA-Z]+)/.exec(self.setting)?.[1]?.toLowerCase() ?? '';
    if (languages.includes(told)) void speak(told, false);
  }, [self]);
}

export function Frame() {
  const { t } = useTranslation();
  const site = useQuery(siteQuery);
  const self = useQuery(selfQuery);
  const page = usePage();
  const drawn = useDrawn();
  const location = useLocation();
  const navigate = useNavigate();
  const first = useRef(true);
  useOwnLanguage(self.data ?? null);

  useEffect(() => {
    whenSignedOut(() => {
      cache.setQueryData(selfQuery.queryKey, null);
      void navigate({ to: '/login', search: { next: window.location.pathname } as never });
    });
  }, [navigate]);

  const title = page ? t(`pages.${page.name}` as 'pages.dashboard') : t('notFound.title');
  useEffect(() => {
    document.title = site.data ? `${title} · ${site.data.system_name}` : title;
  }, [title, site.data]);
  useEffect(() => {
    if (first.current) first.current = false;
    else document.getElementById('main')?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, [location.pathname]);

  if (site.error) return <Plain><ErrorPanel error={site.error} retry={() => void site.refetch()} /></Plain>;
  if (!site.data || (accountId() && self.isPending)) return <PageSkeleton whole />;
  if (self.error && !self.data && page?.level) {
    return <Plain><ErrorPanel error={self.error} retry={() => void self.refetch()} /></Plain>;
  }
  const to = elsewhere(site.data, self.data ?? null, page, location.href);
  if (to) return <Navigate to={to} replace />;

  const held = self.data ?? null;
  const shell = held && page?.frame !== 'plain';
  const inside =
    page && page.level > (held?.role ?? 0) ? (
      <NotAllowed />
    ) : drawn && drawn.level > (held?.role ?? 0) ? (
      <PageSkeleton />
    ) : (
      <Suspense fallback={<PageSkeleton />}>
        <Outlet />
      </Suspense>
    );
  return shell ? <Shell title={title} page={page}>{inside}</Shell> : <Plain wide={page?.frame === 'open'}>{inside}</Plain>;
}
