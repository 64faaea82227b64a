/** Redemption codes: made in lots, handed out, watched. */

import { ActionIcon, Button, Drawer, Group, NumberInput, Stack, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconBan, IconPlayerPlay, IconPlus, IconSearch, IconTicket, IconTrash } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { get, post, put, remove } from '@/api/client';
import type { Names, Redemption, RedemptionPage } from '@/api/payloads';
import { cache } from '@/api/site';
import { useFormat } from '@/app/format';
import { useAddress } from '@/app/router';
import { CodeView } from '@/parts/CodeView';
import { confirm } from '@/parts/confirm';
import { CopyButton } from '@/parts/CopyButton';
import { type Columns, DataTable } from '@/parts/DataTable';
import { Empty } from '@/parts/Empty';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { useServerForm } from '@/parts/form';
import { PageHead } from '@/parts/PageHead';
import { useTable } from '@/parts/table-state';
import { Tag, type Tone } from '@/parts/Tag';
import { Time } from '@/parts/Time';
import { told } from '@/parts/told';

const ENABLED = 1;
const DISABLED = 2;
const USED = 3;
const COUNT_MOST = 100;

const again = () => cache.invalidateQueries({ queryKey: ['redemptions'] });

function stateOf(code: Redemption): { name: 'unused' | 'disabled' | 'used' | 'expired'; tone: Tone } {
  if (code.status === USED) return { name: 'used', tone: 'plain' };
  if (code.status === DISABLED) return { name: 'disabled', tone: 'warn' };
  if (code.expired_time > 0 && code.expired_time < Date.now() / 1000) return { name: 'expired', tone: 'bad' };
  return { name: 'unused', tone: 'good' };
}

function CodesForm({ onMade }: { onMade: (codes: string[]) => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { form, error, busy, submit } = useServerForm(
    {
      initialValues: { name: '', amount: 10 as number | string, count: 1 as number | string, expires: '' },
      validate: {
        name: (value) => (value.trim() ? null : t('entry.wanted')),
        amount: (value) => (Number(value) > 0 ? null : t('entry.wanted')),
        expires: (value) => (!value || new Date(value).getTime() > Date.now() ? null : t('redemptions.dateWanted')),
      },
    },
    async ({ name, amount, count, expires }) => {
      const body = { name: name.trim(), quota: format.units(Number(amount)), count: Number(count), expired_time: expires ? Math.floor(new Date(expires).getTime() / 1000) : 0 };
      const codes = await post<Names>('/api/redemption/', body);
      await again();
      onMade(codes);
    },
    { quota: 'amount', expired_time: 'expires' },
  );
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {error !== null && <ErrorPanel error={error} />}
        <TextInput label={t('redemptions.name')} description={t('redemptions.nameHint')} required maxLength={20} data-autofocus {...form.getInputProps('name')} />
        <NumberInput label={t('redemptions.amount')} min={0} decimalScale={6} prefix={format.symbol} thousandSeparator="," required {...form.getInputProps('amount')} />
        <NumberInput label={t('redemptions.count')} min={1} max={COUNT_MOST} allowDecimal={false} {...form.getInputProps('count')} />
        <TextInput type="datetime-local" label={t('redemptions.expires')} description={t('redemptions.expiresHint')} {...form.getInputProps('expires')} />
        <Group justify="flex-end"><Button type="submit" loading={busy}>{t('redemptions.create')}</Button></Group>
      </Stack>
    </form>
  );
}

function Actions({ code }: { code: Redemption }) {
  const { t } = useTranslation();
  const set = (status: number) => put('/api/redemption/', { id: code.id, status }, { status_only: true }).then(again);
  const toggle = async () => {
    const wanted = code.status === ENABLED ? DISABLED : ENABLED;
    try {
      await set(wanted);
      told.undoable(t(wanted === ENABLED ? 'redemptions.nowEnabled' : 'redemptions.nowDisabled', { name: code.name }), () => set(code.status));
    } catch (problem) {
      told.bad(problem);
    }
  };
  const drop = async () => {
    const sure = await confirm({ title: t('redemptions.deleteTitle', { name: code.name }), text: t('redemptions.deleteText'), action: t('redemptions.delete'), danger: true });
    if (!sure) return;
    try {
      await remove(`/api/redemption/${code.id}`);
      await again();
      told.good(t('redemptions.deleted'));
    } catch (problem) {
      told.bad(problem);
    }
  };
  return (
    <Group gap={0} wrap="nowrap" justify="flex-end">
      {code.status !== USED && (
        <ActionIcon aria-label={t(code.status === ENABLED ? 'redemptions.disableOf' : 'redemptions.enableOf', { name: code.name })} onClick={() => void toggle()}>
          {code.status === ENABLED ? <IconBan size={18} stroke={1.7} /> : <IconPlayerPlay size={18} stroke={1.7} />}
        </ActionIcon>
      )}
      <ActionIcon color="red" aria-label={t('redemptions.deleteOf', { name: code.name })} onClick={() => void drop()}><IconTrash size={18} stroke={1.7} /></ActionIcon>
    </Group>
  );
}

export default function Redemptions() {
  const { t } = useTranslation();
  const format = useFormat();
  const table = useTable('redemptions', { keyword: '' }, ['created']);
  const [place, go] = useAddress({ edit: '' });
  const [made, setMade] = useState<string[]>([]);
  const asked = useQuery({
    queryKey: ['redemptions', table.paging, table.filters.keyword],
    queryFn: ({ signal }) =>
      get<RedemptionPage>(table.filters.keyword ? '/api/redemption/search' : '/api/redemption/', { ...table.paging, keyword: table.filters.keyword }, signal),
    placeholderData: keepPreviousData,
  });
  const [typed, setTyped] = useState(table.filters.keyword);
  const search = useDebouncedCallback((keyword: string) => table.filter({ keyword: keyword.trim() }), 400);

  const columns = useMemo<Columns<Redemption>>(
    () => [
      { id: 'name', header: t('redemptions.columns.name'), enableHiding: false, meta: { phone: 'title' }, cell: ({ row }) => <strong>{row.original.name}</strong> },
      {
        id: 'status',
        header: t('redemptions.columns.status'),
        meta: { phone: 'title' },
        cell: ({ row }) => <Tag tone={stateOf(row.original).tone}>{t(`redemptions.states.${stateOf(row.original).name}`)}</Tag>,
      },
      {
        id: 'code',
        header: t('redemptions.columns.code'),
        cell: ({ row }) => (
          <Group gap={2} wrap="nowrap" display="inline-flex">
            <span className="i-code">{row.original.key.slice(0, 6)}…{row.original.key.slice(-4)}</span>
            <CopyButton value={row.original.key} label={t('redemptions.copyOf', { name: row.original.name })} />
          </Group>
        ),
      },
      { id: 'quota', header: t('redemptions.columns.quota'), meta: { right: true }, cell: ({ row }) => <span className="i-number">{format.money(row.original.quota)}</span> },
      { id: 'expires', header: t('redemptions.columns.expires'), cell: ({ row }) => (row.original.expired_time > 0 ? <Time at={row.original.expired_time} relative /> : <span className="i-soft">{t('redemptions.never')}</span>) },
      { id: 'redeemed', header: t('redemptions.columns.redeemed'), cell: ({ row }) => (row.original.redeemed_time ? <Time at={row.original.redeemed_time} relative /> : '—') },
      { id: 'by', header: t('redemptions.columns.by'), cell: ({ row }) => row.original.used_user_id || '—' },
      { id: 'created', header: t('redemptions.columns.created'), meta: { phone: 'none' }, cell: ({ row }) => <Time at={row.original.created_time} relative /> },
      { id: 'actions', header: '', enableHiding: false, meta: { right: true, phone: 'foot', name: t('redemptions.columns.actions') }, cell: ({ row }) => <Actions code={row.original} /> },
    ],
    [t, format],
  );

  const sweep = async () => {
    const sure = await confirm({ title: t('redemptions.sweepTitle'), text: t('redemptions.sweepText'), action: t('redemptions.delete'), danger: true });
    if (!sure) return;
    try {
      const count = await remove<number>('/api/redemption/invalid');
      await again();
      told.good(t('redemptions.swept', { count }));
    } catch (problem) {
      told.bad(problem);
    }
  };
  const create = <Button leftSection={<IconPlus size={17} />} onClick={() => { setMade([]); go({ edit: 'new' }); }}>{t('redemptions.create')}</Button>;
  return (
    <>
      <PageHead title={t('pages.redemptions')} text={t('redemptions.text')} actions={<><Button variant="default" onClick={() => void sweep()}>{t('redemptions.sweep')}</Button>{create}</>} />
      <DataTable
        label={t('pages.redemptions')}
        columns={columns}
        rowId={(row) => String(row.id)}
        asked={asked}
        table={{ ...table, clear: () => { setTyped(''); table.clear(); } }}
        toolbar={
          <TextInput
            leftSection={<IconSearch size={16} />}
            placeholder={t('redemptions.search')}
            aria-label={t('redemptions.search')}
            value={typed}
            onChange={(event) => {
              setTyped(event.currentTarget.value);
              search(event.currentTarget.value);
            }}
          />
        }
        empty={<Empty icon={IconTicket} title={t('redemptions.empty')} text={t('redemptions.emptyText')} action={create} />}
      />
      <Drawer opened={place.edit === 'new'} onClose={() => go({ edit: '' })} title={t('redemptions.create')} closeButtonProps={{ 'aria-label': t('common.close') }}>
        {made.length > 0 ? (
          <Stack gap="md">
            <p>{t('redemptions.made', { count: made.length })}</p>
            <CodeView label={t('redemptions.codes')} text={made.join('\n')} />
          </Stack>
        ) : (
          <CodesForm onMade={setMade} />
        )}
      </Drawer>
    </>
  );
}
