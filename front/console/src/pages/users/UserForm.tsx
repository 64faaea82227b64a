/** An account's form, and the form of its balance. */

import { Button, Group, NumberInput, SegmentedControl, Select, Stack, Textarea, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { post, put } from '@/api/client';
import type { User } from '@/api/payloads';
import { ADMIN, ROOT, USER, useIs } from '@/api/site';
import { useFormat } from '@/app/format';
import { groupNamesQuery } from '@/pages/channels/queries';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { Facts } from '@/parts/Facts';
import { Password } from '@/parts/Password';
import { useServerForm } from '@/parts/form';
import { told } from '@/parts/told';

import { again, manage } from './queries';

export function UserForm({ user, onDone }: { user: User | null; onDone: () => void }) {
  const { t } = useTranslation();
  const root = useIs(ROOT);
  const groups = useQuery(groupNamesQuery).data ?? ['default'];
  const { form, error, busy, submit } = useServerForm(
    {
      initialValues: {
        username: user?.username ?? '',
        display_name: user?.display_name ?? '',
        password: '',
        role: String(user?.role ?? USER),
        group: user?.group ?? 'default',
        remark: user?.remark ?? '',
      },
      validate: {
        username: (value) => (value.trim() ? null : t('entry.wanted')),
        password: (value) => ((!user && !value) || (value && value.length < 8) ? t('users.form.passwordWanted') : null),
      },
    },
    async ({ role, group, remark, ...values }) => {
      if (user) await put('/api/user/', { ...values, id: user.id, group, remark });
      else await post('/api/user/', { ...values, display_name: values.display_name || values.username, role: Number(role) });
      await again();
      told.good(t(user ? 'users.saved' : 'users.created'));
      onDone();
    },
  );
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {error !== null && <ErrorPanel error={error} />}
        <TextInput label={t('users.form.username')} required maxLength={20} autoComplete="off" data-autofocus {...form.getInputProps('username')} />
        <TextInput label={t('users.form.displayName')} maxLength={20} {...form.getInputProps('display_name')} />
        <Password
          label={t('users.form.password')}
          description={user ? t('users.form.passwordKept') : undefined}
          required={!user}
          autoComplete="new-password"
          {...form.getInputProps('password')}
        />
        {user ? (
          <>
            <Select label={t('users.form.group')} searchable allowDeselect={false} data={[...new Set([...groups, user.group])]} {...form.getInputProps('group')} />
            <Textarea label={t('users.form.remark')} maxLength={255} autosize minRows={2} {...form.getInputProps('remark')} />
          </>
        ) : (
          root && (
            <SegmentedControl
              aria-label={t('users.columns.role')}
              data={[{ value: String(USER), label: t('users.roles.user') }, { value: String(ADMIN), label: t('users.roles.admin') }]}
              {...form.getInputProps('role')}
            />
          )
        )}
        <Group justify="flex-end"><Button type="submit" loading={busy}>{t(user ? 'users.form.save' : 'users.create')}</Button></Group>
      </Stack>
    </form>
  );
}

const MODES = ['add', 'subtract', 'override'] as const;

/** Money given, taken or set; it goes through the ledger, and is in the log. */
export function Balance({ user, onDone }: { user: User; onDone: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { form, error, busy, submit } = useServerForm(
    {
      initialValues: { mode: 'add' as (typeof MODES)[number], value: 1 as number | string },
      validate: { value: (value) => (typeof value === 'number' && value >= 0 ? null : t('entry.wanted')) },
    },
    async ({ mode, value }) => {
      await manage(user.id, 'add_quota', { mode, value: format.units(Number(value)) });
      await again();
      told.good(t('users.balanceSaved', { name: user.username }));
      onDone();
    },
  );
  const values = form.getValues();
  const amount = typeof values.value === 'number' ? format.units(values.value) : 0;
  const after = values.mode === 'override' ? amount : user.quota + (values.mode === 'add' ? amount : -amount);
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {error !== null && <ErrorPanel error={error} />}
        <SegmentedControl aria-label={t('users.balance')} data={MODES.map((mode) => ({ value: mode, label: t(`users.modes.${mode}`) }))} {...form.getInputProps('mode')} />
        <NumberInput label={t('users.amount')} min={0} decimalScale={6} prefix={format.symbol} thousandSeparator="," data-autofocus {...form.getInputProps('value')} />
        <Facts rows={[[t('users.now'), format.money(user.quota)], [t('users.after'), format.money(after)]]} />
        <Group justify="flex-end"><Button type="submit" loading={busy}>{t('users.form.save')}</Button></Group>
      </Stack>
    </form>
  );
}
