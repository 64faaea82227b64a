/** The frame of those who are signed in: navigation by role, header with balance, search, preferences, account. */

import { ActionIcon, Burger, Drawer, Group, Kbd, Menu, Tooltip, UnstyledButton } from '@mantine/core';
import { useLocalStorage, useMediaQuery } from '@mantine/hooks';
import { spotlight } from '@mantine/spotlight';
import {
  IconLayoutSidebarLeftCollapse, IconLayoutSidebarLeftExpand, IconLogout, IconSearch, IconUserCircle, IconWallet,
} from '@tabler/icons-react';
import { Link, useLocation, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { ask, setAccountId } from '@/api/client';
import { cache, selfQuery, useSelf, useSite } from '@/api/site';

import { Brand } from './Brand';
import { useFormat } from './format';
import { type Page, pages, sections } from './pages';
import { Palette } from './Palette';
import { LanguageMenu, SchemeMenu } from './Preferences';
import classes from './Shell.module.css';

/** Ends the session here. */
export function useSignOut(): () => Promise<void> {
  const navigate = useNavigate();
  return async () => {
    await ask('GET', '/api/user/logout').catch(() => undefined); // gone on the server or not: this browser forgets it
    setAccountId(0);
    await navigate({ to: '/login' });
    cache.removeQueries({ predicate: (query) => query.queryKey[0] !== 'site' });
    cache.setQueryData(selfQuery.queryKey, null);
  };
}

/** A modifier's name on this keyboard. */
const COMMAND = /Mac|iPhone|iPad/.test(navigator.userAgent) ? '⌘' : 'Ctrl';

function Navigation({ narrow, onGo }: { narrow: boolean; onGo?: () => void }) {
  const { t } = useTranslation();
  const role = useSelf().role;
  const at = useLocation({ select: (location) => location.pathname });
  return (
    <nav aria-label={t('shell.navigation')} className={classes.nav}>
      {sections.map((section) => {
        const held = pages.filter((page) => page.section === section && page.level <= role);
        if (held.length === 0) return null;
        return (
          <div key={section} className={classes.section}>
            {!narrow && <div className={classes.sectionName}>{t(`shell.sections.${section}`)}</div>}
            <ul>
              {held.map((page) => {
                const here = page.path === '/' ? at === '/' : at === page.path || at.startsWith(`${page.path}/`);
                const name = t(`pages.${page.name}` as 'pages.dashboard');
                const Sign = page.icon;
                return (
                  <li key={page.path}>
                    <Tooltip label={name} position="right" disabled={!narrow}>
                      <Link
                        to={page.path}
                        className={classes.item}
                        data-here={here || undefined}
                        aria-current={here ? 'page' : undefined}
                        aria-label={narrow ? name : undefined}
                        onClick={onGo}
                      >
                        {Sign && <Sign size={18} stroke={1.7} />}
                        {!narrow && <span>{name}</span>}
                      </Link>
                    </Tooltip>
                  </li>
                );
              })}
            </ul>
          </div>
        );
      })}
    </nav>
  );
}

function Balance() {
  const { t } = useTranslation();
  const format = useFormat();
  const self = useSelf();
  return (
    <Tooltip label={t('shell.balance')}>
      <Link to="/" className={classes.balance} aria-label={`${t('shell.balance')}: ${format.money(self.quota)}`}>
        <IconWallet size={16} stroke={1.8} />
        <span className="i-number">{format.money(self.quota)}</span>
      </Link>
    </Tooltip>
  );
}

function AccountMenu() {
  const { t } = useTranslation();
  const self = useSelf();
  const signOut = useSignOut();
  const name = self.display_name || self.username;
  return (
    <Menu width={220}>
      <Menu.Target>
        <UnstyledButton className={classes.account} aria-label={`${t('shell.account')}: ${name}`}>
          <span className={classes.initials} data-initials={[...name].slice(0, 2).join('').toUpperCase()} />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <div className={classes.who}>
          <strong>{name}</strong>
          <span>{self.username}</span>
        </div>
        <Menu.Divider />
        <Menu.Item component={Link} to="/profile" leftSection={<IconUserCircle size={16} />}>
          {t('pages.profile')}
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void signOut()}>
          {t('shell.signOut')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

export function Shell({ title, page, children }: { title: string; page: Page | undefined; children: ReactNode }) {
  const { t } = useTranslation();
  const site = useSite();
  const [narrow, setNarrow] = useLocalStorage({
    key: 'isthmus.narrow',
    defaultValue: site.default_collapse_sidebar,
    getInitialValueInEffect: false,
  });
  const [open, setOpen] = useState(false);
  const wide = useMediaQuery('(min-width: 62em)', true, { getInitialValueInEffect: false });
  useEffect(() => {
    if (wide) setOpen(false);
  }, [wide]);
  return (
    <div className={classes.shell} data-narrow={narrow || undefined}>
      <a href="#main" className="i-skip">{t('shell.skip')}</a>
      <aside className={classes.side}>
        <div className={classes.top}><Brand narrow={narrow} /></div>
        <Navigation narrow={narrow} />
        <div className={classes.bottom}>
          <ActionIcon
            aria-label={t(narrow ? 'shell.expand' : 'shell.collapse')}
            onClick={() => setNarrow(!narrow)}
          >
            {narrow ? <IconLayoutSidebarLeftExpand size={19} stroke={1.7} /> : <IconLayoutSidebarLeftCollapse size={19} stroke={1.7} />}
          </ActionIcon>
        </div>
      </aside>
      <Drawer opened={open} onClose={() => setOpen(false)} position="left" size={280} title={<Brand />} closeButtonProps={{ 'aria-label': t('common.close') }}>
        <Navigation narrow={false} onGo={() => setOpen(false)} />
        <Group mt="md" gap="xs"><Balance /></Group>
      </Drawer>
      <div className={classes.body}>
        <header className={classes.head}>
          <Burger className={classes.burger} opened={open} onClick={() => setOpen(true)} size="sm" aria-label={t('shell.navigation')} />
          <nav aria-label={t('shell.breadcrumbs')} className={classes.crumbs}>
            <ol>
              {page?.section && <li className={classes.crumb}>{t(`shell.sections.${page.section}`)}</li>}
              <li aria-current="page" className={classes.crumbHere}>{title}</li>
            </ol>
          </nav>
          <UnstyledButton className={classes.search} onClick={spotlight.open}>
            <IconSearch size={16} stroke={1.8} />
            <span>{t('shell.search')}</span>
            <Kbd size="xs">{COMMAND} K</Kbd>
          </UnstyledButton>
          <Group gap={2} wrap="nowrap">
            <div className={classes.onlyWide}><Balance /></div>
            <LanguageMenu />
            <SchemeMenu />
            <AccountMenu />
          </Group>
        </header>
        <main id="main" tabIndex={-1} className={classes.main}>{children}</main>
      </div>
      <Palette />
    </div>
  );
}
