/** Where providers send people back to: finishes the sign-in, or binds the account. */

import { Anchor, Loader } from '@mantine/core';
import { Link, useLocation, useNavigate, useParams } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { get } from '@/api/client';
import type { SignedIn } from '@/api/payloads';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { told } from '@/parts/told';

import { EntryCard } from './Card';
import { useSignedIn } from './sign-in';

export default function OAuth() {
  const { t } = useTranslation();
  const { provider } = useParams({ strict: false }) as { provider: string };
  const search = useLocation().search as Record<string, string>;
  const signedIn = useSignedIn();
  const navigate = useNavigate();
  const [error, setError] = useState<unknown>(null);
  const asked = useRef(false);
  useEffect(() => {
    if (asked.current) return; // a code is good once, and effects of development run twice
    asked.current = true;
    const { code, state, error: refused, error_description: why } = search;
    get<SignedIn & { action?: string }>(`/api/oauth/${encodeURIComponent(provider)}`, { code, state, error: refused, error_description: why })
      .then(async (data) => {
        if (data.action !== 'bind') return signedIn(data);
        told.good(t('oauth.bound'));
        await navigate({ to: '/profile' });
      })
      .catch(setError);
  }, [provider, search, signedIn, navigate, t]);
  return (
    <EntryCard title={t('oauth.title')} text={error === null ? t('oauth.text') : ''} foot={<Anchor component={Link} to="/login">{t('reset.back')}</Anchor>}>
      {error === null ? <Loader aria-label={t('common.loading')} /> : <ErrorPanel error={error} />}
    </EntryCard>
  );
}
