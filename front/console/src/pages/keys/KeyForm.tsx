/** A key's form: a new one, or changes of an old one. */

import { Button, Group, MultiSelect, NumberInput, SegmentedControl, Select, Stack, Switch, Textarea, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { get, post, put } from '@/api/client';
import type { Token, TokenPage } from '@/api/payloads';
import { cache } from '@/api/site';
import { useFormat } from '@/app/format';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { useServerForm } from '@/parts/form';

import { groupsQuery, modelsQuery } from './queries';

const DAY = 86_400;
const SPANS = { never: -1, day: DAY, week: 7 * DAY, month: 30 * DAY, date: 0 };
type Span = keyof typeof SPANS;

/** Unix seconds as the browser's date field writes them, in the reader's zone; and back. */
const toField = (seconds: number) => {
  const local = new Date((seconds - new Date(seconds * 1000).getTimezoneOffset() * 60) * 1000);
  return local.toISOString().slice(0, 16);
};
const fromField = (text: string) => Math.floor(new Date(text).getTime() / 1000);

function expiry(span: Span, date: string): number {
  if (span === 'never') return -1;
  return span === 'date' ? fromField(date) : Math.floor(Date.now() / 1000) + SPANS[span];
}

/** made: what is told of a new key. */
export function KeyForm({ token, onDone }: { token: Token | null; onDone: (made: Token | null) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const models = useQuery(modelsQuery).data ?? [];
  const groups = useQuery(groupsQuery).data ?? {};
  const { form, error, busy, submit } = useServerForm(
    {
      initialValues: {
        name: token?.name ?? '',
        unlimited_quota: token?.unlimited_quota ?? false,
        remain_quota: token ? format.amount(token.remain_quota) : 1,
        span: (token && token.expired_time > 0 ? 'date' : 'never') as Span,
        date: toField(token && token.expired_time > 0 ? token.expired_time : Math.floor(Date.now() / 1000) + SPANS.month),
        group: token?.group ?? '',
        model_limits: token?.model_limits ? token.model_limits.split(',') : ([] as string[]),
        allow_ips: token?.allow_ips ?? '',
        cross_group_retry: token?.cross_group_retry ?? false,
      },
      validate: {
        name: (value) => (value.trim() ? null : t('entry.wanted')),
        remain_quota: (value, all) => (all.unlimited_quota || value >= 0 ? null : t('keys.form.quotaWanted')),
        date: (value, all) => (all.span !== 'date' || fromField(value) > Date.now() / 1000 ? null : t('keys.form.dateWanted')),
      },
    },
    async ({ span, date, ...values }) => {
      const body = {
        ...values,
        name: values.name.trim(),
        remain_quota: values.unlimited_quota ? 0 : format.units(values.remain_quota),
        expired_time: expiry(span, date),
        model_limits_enabled: values.model_limits.length > 0,
        model_limits: values.model_limits.join(','),
      };
      if (token) await put('/api/token/', { ...body, id: token.id });
      else await post('/api/token/', body);
      await cache.invalidateQueries({ queryKey: ['keys'] });
      const newest = token ? null : (await get<TokenPage>('/api/token/', { p: 1, page_size: 1 })).items[0];
      onDone(newest ?? null);
    },
    { expired_time: 'date' },
  );
  const values = form.getValues();
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {error !== null && <ErrorPanel error={error} />}
        <TextInput label={t('keys.form.name')} description={t('keys.form.nameHint')} maxLength={50} required data-autofocus {...form.getInputProps('name')} />
        <Switch label={t('keys.form.unlimited')} description={t('keys.form.unlimitedHint')} {...form.getInputProps('unlimited_quota', { type: 'checkbox' })} />
        {!values.unlimited_quota && (
          <NumberInput label={t('keys.form.quota')} min={0} decimalScale={6} prefix={format.symbol} thousandSeparator="," required {...form.getInputProps('remain_quota')} />
        )}
        <div>
          <div className="mantine-InputWrapper-label" id="key-expiry">{t('keys.form.expiry')}</div>
          <SegmentedControl
            fullWidth
            size="sm"
            aria-labelledby="key-expiry"
            data={(Object.keys(SPANS) as Span[]).map((span) => ({ value: span, label: t(`keys.spans.${span}`) }))}
            {...form.getInputProps('span')}
          />
        </div>
        {values.span === 'date' && <TextInput type="datetime-local" label={t('keys.form.date')} required {...form.getInputProps('date')} />}
        <Select
          label={t('keys.form.group')}
          description={t('keys.form.groupHint')}
          placeholder={t('keys.form.groupOwn')}
          clearable
          data={Object.entries(groups).map(([name, group]) => ({
            value: name,
            label: `${name}${group.desc && group.desc !== name ? ` · ${group.desc}` : ''}${typeof group.ratio === 'number' ? ` · ×${format.number(group.ratio)}` : ''}`,
          }))}
          {...form.getInputProps('group')}
          onChange={(value) => form.setFieldValue('group', value ?? '')}
        />
        {values.group === 'auto' && <Switch label={t('keys.form.cross')} {...form.getInputProps('cross_group_retry', { type: 'checkbox' })} />}
        <MultiSelect
          label={t('keys.form.models')}
          description={t('keys.form.modelsHint')}
          placeholder={values.model_limits.length ? '' : t('keys.form.modelsAll')}
          searchable
          clearable
          hidePickedOptions
          data={[...new Set([...models, ...values.model_limits])]}
          {...form.getInputProps('model_limits')}
        />
        <Textarea label={t('keys.form.ips')} description={t('keys.form.ipsHint')} autosize minRows={2} maxRows={8} {...form.getInputProps('allow_ips')} />
        <Group justify="flex-end">
          <Button type="submit" loading={busy}>{t(token ? 'keys.form.save' : 'keys.create')}</Button>
        </Group>
      </Stack>
    </form>
  );
}
