/** Sign in: password, second factor, and the other ways the site offers. */

import { Anchor, Button, Divider, Stack, TextInput } from '@mantine/core';
import { IconFingerprint } from '@tabler/icons-react';
import { Link, useLocation } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { post } from '@/api/client';
import type { SignedIn } from '@/api/payloads';
import { useSite } from '@/api/site';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { Password } from '@/parts/Password';
import { useServerForm } from '@/parts/form';

import { EntryCard } from './Card';
import { useSignedIn } from './sign-in';
import { byPasskey, leaveFor, ways } from './ways';

function Code({ onBack }: { onBack: () => void }) {
  const { t } = useTranslation();
  const signedIn = useSignedIn();
  const { form, error, busy, submit } = useServerForm({ initialValues: { code: '' } }, async (values) =>
    signedIn(await post<SignedIn>('/api/user/login/2fa', { code: values.code.trim() })),
  );
  return (
    <EntryCard title={t('login.codeTitle')} text={t('login.codeText')} foot={<Anchor component="button" type="button" onClick={onBack}>{t('login.back')}</Anchor>}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          {error !== null && <ErrorPanel error={error} />}
          <TextInput label={t('login.code')} autoComplete="one-time-code" autoFocus required {...form.getInputProps('code')} />
          <Button type="submit" loading={busy} size="md">{t('login.action')}</Button>
        </Stack>
      </form>
    </EntryCard>
  );
}

export default function Login() {
  const { t } = useTranslation();
  const site = useSite();
  const signedIn = useSignedIn();
  const search = useLocation().search as Record<string, string>;
  const [second, setSecond] = useState(false);
  const [other, setOther] = useState<unknown>(null);
  const { form, error, busy, submit } = useServerForm(
    {
      initialValues: { username: '', password: '' },
      validate: {
        username: (value) => (value.trim() ? null : t('entry.wanted')),
        password: (value) => (value ? null : t('entry.wanted')),
      },
    },
    async (values) => {
      const told = await post<SignedIn>('/api/user/login', { ...values, username: values.username.trim() });
      if (told.require_2fa) setSecond(true);
      else await signedIn(told);
    },
  );
  if (second) return <Code onBack={() => setSecond(false)} />;
  const others = ways(site);
  const failing = (work: Promise<unknown>) => void work.catch(setOther);
  const foot = (
    <>
      {site.register_enabled && <Anchor component={Link} to="/register">{t('login.register')}</Anchor>}
      {site.password_login_enabled && <Anchor component={Link} to="/reset">{t('login.forgotten')}</Anchor>}
    </>
  );
  return (
    <EntryCard title={t('login.title', { site: site.system_name })} text={search.next ? t('login.textNext') : t('login.text')} foot={foot}>
      <Stack gap="md">
        {(error !== null || other !== null) && <ErrorPanel error={error ?? other} />}
        {site.password_login_enabled && (
          <form onSubmit={submit} noValidate>
            <Stack gap="md">
              <TextInput label={t('login.username')} autoComplete="username webauthn" required {...form.getInputProps('username')} />
              <Password label={t('entry.password')} autoComplete="current-password" required {...form.getInputProps('password')} />
              <Button type="submit" loading={busy} size="md">{t('login.action')}</Button>
            </Stack>
          </form>
        )}
        {(others.length > 0 || site.passkey_login) && <Divider label={t('login.or')} />}
        {site.passkey_login && (
          <Button variant="default" leftSection={<IconFingerprint size={18} />} onClick={() => failing(byPasskey().then(signedIn))}>
            {t('login.passkey')}
          </Button>
        )}
        {others.map((way) => (
          <Button key={way.slug} variant="default" onClick={() => failing(leaveFor(way, site))}>
            {t('login.with', { name: way.name })}
          </Button>
        ))}
      </Stack>
    </EntryCard>
  );
}
