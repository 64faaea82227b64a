/** Where the link of a reset mail leads: the new password, shown once. */

import { Anchor, Button, Stack } from '@mantine/core';
import { Link, useLocation } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { post } from '@/api/client';
import { CodeView } from '@/parts/CodeView';
import { Empty } from '@/parts/Empty';
import { ErrorPanel } from '@/parts/ErrorPanel';

import { EntryCard } from './Card';

export default function NewPassword() {
  const { t } = useTranslation();
  const { email, token } = useLocation().search as Record<string, string>;
  const [password, setPassword] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const foot = <Anchor component={Link} to="/login">{t('reset.back')}</Anchor>;
  const send = async () => {
    setBusy(true);
    setError(null);
    try {
      setPassword(await post<string>('/api/user/reset', { email, token }));
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  if (!email || !token) return <EntryCard title={t('newPassword.title')} foot={foot}><Empty title={t('newPassword.broken')} text={t('newPassword.brokenText')} /></EntryCard>;
  if (password) {
    return (
      <EntryCard title={t('newPassword.title')} text={t('newPassword.done')} foot={foot}>
        <CodeView text={password} label={t('newPassword.title')} />
      </EntryCard>
    );
  }
  return (
    <EntryCard title={t('newPassword.title')} text={t('newPassword.text', { email })} foot={foot}>
      <Stack gap="md">
        {error !== null && <ErrorPanel error={error} />}
        <Button loading={busy} size="md" onClick={() => void send()}>{t('newPassword.action')}</Button>
      </Stack>
    </EntryCard>
  );
}
