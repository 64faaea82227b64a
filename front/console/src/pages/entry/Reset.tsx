/** A forgotten password: a link by mail. */

import { Anchor, Button, Stack, TextInput } from '@mantine/core';
import { IconMailCheck } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { get } from '@/api/client';
import { Empty } from '@/parts/Empty';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { useServerForm } from '@/parts/form';

import { EntryCard } from './Card';

export default function Reset() {
  const { t } = useTranslation();
  const [sent, setSent] = useState(false);
  const { form, error, busy, submit } = useServerForm(
    { initialValues: { email: '' }, validate: { email: (value) => (value.includes('@') ? null : t('entry.wanted')) } },
    async ({ email }) => {
      await get('/api/reset_password', { email });
      setSent(true);
    },
  );
  const foot = <Anchor component={Link} to="/login">{t('reset.back')}</Anchor>;
  if (sent) return <EntryCard title={t('reset.title')} foot={foot}><Empty icon={IconMailCheck} title={t('reset.sent')} text={t('reset.sentText')} /></EntryCard>;
  return (
    <EntryCard title={t('reset.title')} text={t('reset.text')} foot={foot}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          {error !== null && <ErrorPanel error={error} />}
          <TextInput label={t('entry.email')} type="email" autoComplete="email" required {...form.getInputProps('email')} />
          <Button type="submit" loading={busy} size="md">{t('reset.action')}</Button>
        </Stack>
      </form>
    </EntryCard>
  );
}
