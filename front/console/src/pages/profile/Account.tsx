/** Name, password, e-mail address. */

import { Button, Group, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { get, post, put } from '@/api/client';
import { cache, useSelf } from '@/api/site';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { useServerForm } from '@/parts/form';
import { Panel } from '@/parts/Panel';
import { told } from '@/parts/told';

const again = () => cache.invalidateQueries({ queryKey: ['self'] });

export function Names() {
  const { t } = useTranslation();
  const self = useSelf();
  const { form, error, busy, submit } = useServerForm(
    {
      initialValues: { username: self.username, display_name: self.display_name, password: '', original_password: '' },
      validate: {
        password: (value) => (!value || value.length >= 8 ? null : t('entry.passwordShort')),
        original_password: (value) => (value ? null : t('entry.wanted')),
      },
    },
    async (values) => {
      await put('/api/user/self', values);
      await again();
      form.setValues({ password: '', original_password: '' });
      told.good(t('profile.saved'));
    },
  );
  return (
    <Panel title={t('profile.account')}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          {error !== null && <ErrorPanel error={error} />}
          <TextInput label={t('entry.username')} autoComplete="username" maxLength={20} {...form.getInputProps('username')} />
          <TextInput label={t('profile.displayName')} maxLength={20} {...form.getInputProps('display_name')} />
          <PasswordInput label={t('profile.newPassword')} description={t('profile.newPasswordHint')} autoComplete="new-password" {...form.getInputProps('password')} />
          <PasswordInput label={t('profile.password')} description={t('profile.passwordHint')} autoComplete="current-password" required {...form.getInputProps('original_password')} />
          <Group justify="flex-end"><Button type="submit" loading={busy}>{t('profile.save')}</Button></Group>
        </Stack>
      </form>
    </Panel>
  );
}

export function Email() {
  const { t } = useTranslation();
  const self = useSelf();
  const [sending, setSending] = useState(false);
  const { form, error, busy, submit } = useServerForm(
    { initialValues: { email: '', code: '' }, validate: { email: (value) => (value.includes('@') ? null : t('entry.wanted')), code: (value) => (value ? null : t('entry.wanted')) } },
    async (values) => {
      await post('/api/oauth/email/bind', values);
      await again();
      form.reset();
      told.good(t('profile.saved'));
    },
  );
  const sendCode = async () => {
    setSending(true);
    await get('/api/verification', { email: form.getValues().email }).then(() => told.good(t('register.codeSent')), told.bad);
    setSending(false);
  };
  return (
    <Panel title={t('entry.email')} text={self.email ? t('profile.emailNow', { email: self.email }) : t('profile.emailNone')}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          {error !== null && <ErrorPanel error={error} />}
          <Group align="flex-start" wrap="nowrap">
            <TextInput flex={1} label={t('profile.newEmail')} type="email" autoComplete="email" {...form.getInputProps('email')} />
            <Button mt={25} variant="default" loading={sending} onClick={() => void sendCode()}>{t('register.sendCode')}</Button>
          </Group>
          <TextInput label={t('register.code')} autoComplete="one-time-code" {...form.getInputProps('code')} />
          <Group justify="flex-end"><Button type="submit" variant="light" loading={busy}>{t('profile.setEmail')}</Button></Group>
        </Stack>
      </form>
    </Panel>
  );
}
