/** When and how the account is told that its balance runs low, and other settings of its own. */

import { Button, Group, NumberInput, PasswordInput, SegmentedControl, Stack, Switch, TextInput } from '@mantine/core';
import { useTranslation } from 'react-i18next';

import { put } from '@/api/client';
import { ADMIN, cache, useIs, useSelf } from '@/api/site';
import { useFormat } from '@/app/format';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { useServerForm } from '@/parts/form';
import { Panel } from '@/parts/Panel';
import { told } from '@/parts/told';

const WAYS = ['email', 'webhook', 'bark', 'gotify'] as const;

interface Setting {
  notify_type: (typeof WAYS)[number];
  quota_warning_threshold: number;
  notification_email: string;
  webhook_url: string;
  webhook_secret: string;
  bark_url: string;
  gotify_url: string;
  gotify_token: string;
  gotify_priority: number;
  accept_unset_model_ratio_model: boolean;
  record_ip_log: boolean;
  upstream_model_update_notify_enabled: boolean;
  [name: string]: unknown;
}

const START: Setting = {
  notify_type: 'email', quota_warning_threshold: 500_000, notification_email: '', webhook_url: '', webhook_secret: '', bark_url: '', gotify_url: '',
  gotify_token: '', gotify_priority: 5, accept_unset_model_ratio_model: false, record_ip_log: false, upstream_model_update_notify_enabled: false,
};

function read(text: string): Setting {
  try {
    const found = JSON.parse(text || '{}') as Partial<Setting>;
    const known = Object.keys(START).filter((name) => found[name] !== undefined && found[name] !== null);
    return { ...START, ...Object.fromEntries(known.map((name) => [name, found[name]])) };
  } catch {
    return START;
  }
}

export function Reminders() {
  const { t } = useTranslation();
  const format = useFormat();
  const admin = useIs(ADMIN);
  const held = read(useSelf().setting);
  const { form, error, busy, submit } = useServerForm<Setting>(
    { initialValues: { ...held, quota_warning_threshold: format.amount(held.quota_warning_threshold) } },
    async (values) => {
      const { upstream_model_update_notify_enabled: told_, ...rest } = values;
      await put('/api/user/setting', {
        ...rest,
        quota_warning_threshold: format.units(values.quota_warning_threshold),
        ...(admin ? { upstream_model_update_notify_enabled: told_ } : {}),
      });
      await cache.invalidateQueries({ queryKey: ['self'] });
      told.good(t('profile.saved'));
    },
  );
  const way = form.getValues().notify_type;
  return (
    <Panel title={t('profile.reminders.title')} text={t('profile.reminders.text')}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          {error !== null && <ErrorPanel error={error} />}
          <SegmentedControl fullWidth size="sm" aria-label={t('profile.reminders.way')} data={WAYS.map((name) => ({ value: name, label: t(`profile.reminders.ways.${name}`) }))} {...form.getInputProps('notify_type')} />
          <NumberInput label={t('profile.reminders.threshold')} min={0} decimalScale={6} prefix={format.symbol} {...form.getInputProps('quota_warning_threshold')} />
          {way === 'email' && <TextInput label={t('profile.reminders.email')} description={t('profile.reminders.emailHint')} type="email" {...form.getInputProps('notification_email')} />}
          {way === 'webhook' && (
            <>
              <TextInput label={t('profile.reminders.webhook')} placeholder="https://" {...form.getInputProps('webhook_url')} />
              <PasswordInput label={t('profile.reminders.secret')} description={t('profile.reminders.secretHint')} autoComplete="off" {...form.getInputProps('webhook_secret')} />
            </>
          )}
          {way === 'bark' && <TextInput label={t('profile.reminders.bark')} placeholder="https://" {...form.getInputProps('bark_url')} />}
          {way === 'gotify' && (
            <>
              <TextInput label={t('profile.reminders.gotify')} placeholder="https://" {...form.getInputProps('gotify_url')} />
              <PasswordInput label={t('profile.reminders.gotifyToken')} autoComplete="off" {...form.getInputProps('gotify_token')} />
              <NumberInput label={t('profile.reminders.priority')} min={0} max={10} {...form.getInputProps('gotify_priority')} />
            </>
          )}
          <Switch label={t('profile.reminders.unset')} {...form.getInputProps('accept_unset_model_ratio_model', { type: 'checkbox' })} />
          <Switch label={t('profile.reminders.ip')} {...form.getInputProps('record_ip_log', { type: 'checkbox' })} />
          {admin && <Switch label={t('profile.reminders.upstream')} {...form.getInputProps('upstream_model_update_notify_enabled', { type: 'checkbox' })} />}
          <Group justify="flex-end"><Button type="submit" loading={busy}>{t('profile.save')}</Button></Group>
        </Stack>
      </form>
    </Panel>
  );
}
