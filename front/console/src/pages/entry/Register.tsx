/** A new account. */

import { Anchor, Button, Group, Stack, TextInput } from '@mantine/core';
import { Link, useLocation, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { get, post } from '@/api/client';
import { useSite } from '@/api/site';
import { Empty } from '@/parts/Empty';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { Password } from '@/parts/Password';
import { useServerForm } from '@/parts/form';
import { told } from '@/parts/told';

import { EntryCard } from './Card';

export default function Register() {
  const { t } = useTranslation();
  const site = useSite();
  const navigate = useNavigate();
  const search = useLocation().search as Record<string, string>;
  const [sending, setSending] = useState(false);
  const { form, error, busy, submit } = useServerForm(
    {
      initialValues: { username: '', password: '', again: '', email: '', verification_code: '' },
      validate: {
        username: (value) => (value.trim() ? null : t('entry.wanted')),
        password: (value) => (value.length >= 8 ? null : t('entry.passwordShort')),
        again: (value, all) => (value === all.password ? null : t('entry.passwordsDiffer')),
        email: (value) => (!site.email_verification || value.includes('@') ? null : t('entry.wanted')),
      },
    },
    async ({ again: _, ...values }) => {
      await post('/api/user/register', { ...values, aff_code: search.aff ?? '' });
      told.good(t('register.done'));
      await navigate({ to: '/login' });
    },
  );
  const sendCode = async () => {
    setSending(true);
    try {
      await get('/api/verification', { email: form.getValues().email });
      told.good(t('register.codeSent'));
    } catch (problem) {
      told.bad(problem);
    } finally {
      setSending(false);
    }
  };
  const foot = <Anchor component={Link} to="/login">{t('entry.haveAccount')}</Anchor>;
  if (!site.register_enabled || !site.password_register_enabled) {
    return <EntryCard title={t('register.title')} foot={foot}><Empty title={t('register.closed')} text={t('register.closedText')} /></EntryCard>;
  }
  return (
    <EntryCard title={t('register.title')} text={t('register.text', { site: site.system_name })} foot={foot}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          {error !== null && <ErrorPanel error={error} />}
          <TextInput label={t('entry.username')} maxLength={20} autoComplete="username" required {...form.getInputProps('username')} />
          <Password label={t('entry.password')} description={t('entry.passwordHint')} autoComplete="new-password" required {...form.getInputProps('password')} />
          <Password label={t('entry.passwordAgain')} autoComplete="new-password" required {...form.getInputProps('again')} />
          {site.email_verification && (
            <>
              <TextInput label={t('entry.email')} type="email" autoComplete="email" required {...form.getInputProps('email')} />
              <Group align="flex-end" wrap="nowrap">
                <TextInput flex={1} label={t('register.code')} autoComplete="one-time-code" required {...form.getInputProps('verification_code')} />
                <Button variant="default" loading={sending} onClick={() => void sendCode()}>{t('register.sendCode')}</Button>
              </Group>
            </>
          )}
          <Button type="submit" loading={busy} size="md">{t('register.action')}</Button>
        </Stack>
      </form>
    </EntryCard>
  );
}
