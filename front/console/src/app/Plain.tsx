/** Pages without navigation: sign-in and the like in the middle, public ones wide. */

import type { ReactNode } from 'react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Button, Group } from '@mantine/core';
import { useTranslation } from 'react-i18next';

import { siteQuery } from '@/api/site';

import { Brand } from './Brand';
import { LanguageMenu, SchemeMenu } from './Preferences';
import classes from './Plain.module.css';

export function Plain({ children, wide = false }: { children: ReactNode; wide?: boolean }) {
  const { t } = useTranslation();
  const site = useQuery(siteQuery).data;
  return (
    <div className={classes.all}>
      <header className={classes.head}>
        {site ? <Brand /> : <span />}
        <Group gap={4}>
          {wide && (
            <Button component={Link} to="/login" variant="light" size="xs" mr={8}>
              {t('login.action')}
            </Button>
          )}
          <LanguageMenu />
          <SchemeMenu />
        </Group>
      </header>
      <main id="main" tabIndex={-1} className={wide ? classes.wide : classes.middle}>
        {children}
      </main>
      {site && (site.user_agreement_enabled || site.privacy_policy_enabled || site.docs_link) && (
        <footer className={classes.foot}>
          {site.docs_link && <a href={site.docs_link} rel="noreferrer">{t('shell.docs')}</a>}
        </footer>
      )}
    </div>
  );
}
