/** First-run setup: the first administrator. */

import { Button, Stack, Switch, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { get, post } from '@/api/client';
import type { SetupState, SignedIn } from '@/api/payloads';
import { cache, siteQuery } from '@/api/site';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { Password } from '@/parts/Password';
import { useServerForm } from '@/parts/form';

import { EntryCard } from './Card';
import { useSignedIn } from './sign-in';

export default function Setup() {
  const { t } = useTranslation();
  const state = useQuery({ queryKey: ['setup'], queryFn: () => get<SetupState>('/api/setup') });
  const signedIn = useSignedIn();
  const { form, error, busy, submit } = useServerForm(
    {
      initialValues: { username: '', password: '', confirmPassword: '', SelfUseModeEnabled: false },
      validate: {
        username: (value) => (value.trim() ? null : t('entry.wanted')),
        password: (value) => (value.length >= 8 ? null : t('entry.passwordShort')),
        confirmPassword: (value, all) => (value === all.password ? null : t('entry.passwordsDiffer')),
      },
    },
    async (values) => {
      await post('/api/setup', { ...values, DemoSiteEnabled: false });
      const told = await post<SignedIn>('/api/user/login', { username: values.username, password: values.password });
      await cache.fetchQuery({ ...siteQuery, staleTime: 0 });
      await signedIn(told);
    },
  );
  return (
    <EntryCard title={t('setup.title')} text={t('setup.text', { database: state.data?.database_type ?? '…' })}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          {error !== null && <ErrorPanel error={error} />}
          <TextInput label={t('setup.username')} description={t('setup.usernameHint')} maxLength={12} autoComplete="username" required data-autofocus {...form.getInputProps('username')} />
          <Password label={t('entry.password')} description={t('entry.passwordHint')} autoComplete="new-password" required {...form.getInputProps('password')} />
          <Password label={t('entry.passwordAgain')} autoComplete="new-password" required {...form.getInputProps('confirmPassword')} />
          <Switch label={t('setup.selfUse')} description={t('setup.selfUseHint')} {...form.getInputProps('SelfUseModeEnabled', { type: 'checkbox' })} />
          <Button type="submit" loading={busy} size="md">{t('setup.action')}</Button>
        </Stack>
      </form>
    </EntryCard>
  );
}
