/** The log, with receipts: one's own; everybody's for administrators. */

import { Button, Collapse, Drawer, SegmentedControl, Select, Switch, TextInput } from '@mantine/core';
import { useDebouncedCallback, useDisclosure } from '@mantine/hooks';
import { IconAdjustmentsHorizontal, IconFileText } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';

import type { LogLine } from '@/api/payloads';
import { ADMIN, useIs } from '@/api/site';
import { useFormat } from '@/app/format';
import { type Columns, DataTable } from '@/parts/DataTable';
import { Empty } from '@/parts/Empty';
import { PageHead } from '@/parts/PageHead';
import { useTable } from '@/parts/table-state';
import { Tag } from '@/parts/Tag';
import { Time } from '@/parts/Time';

import classes from './logs.module.css';
import { type Filters, FILTERS, logsQuery, other, type Range, RANGES, sumsQuery, TYPES } from './queries';
import { Receipt, TypeTag } from './Receipt';

const TEXTS = ['model_name', 'token_name', 'request_id', 'group'] as const;
const ADMIN_TEXTS = ['username', 'channel'] as const;

/** A text filter that asks once the reader pauses. */
function TextFilter({ name, filters, filter }: { name: (typeof TEXTS)[number] | (typeof ADMIN_TEXTS)[number]; filters: Filters; filter: (change: Partial<Filters>) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(filters[name]);
  useEffect(() => setTyped(filters[name]), [filters[name]]);
  const send = useDebouncedCallback((value: string) => filter({ [name]: value.trim() }), 450);
  return (
    <TextInput
      w={170}
      placeholder={t(`logs.filters.${name}`)}
      aria-label={t(`logs.filters.${name}`)}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        send(event.currentTarget.value);
      }}
    />
  );
}

export default function Logs() {
  const { t } = useTranslation();
  const format = useFormat();
  const admin = useIs(ADMIN);
  const table = useTable('logs', FILTERS, ['ip', 'group', 'request']);
  const { filters, filter } = table;
  const everybody = admin && filters.scope !== 'own';
  const asked = useQuery(logsQuery(filters, table.paging, everybody));
  const sums = useQuery(sumsQuery(filters, everybody)).data;
  const [open, setOpen] = useState<LogLine | null>(null);
  const narrowed = [...TEXTS, ...ADMIN_TEXTS].some((name) => filters[name] !== '');
  const [more, { toggle }] = useDisclosure(narrowed);

  const columns = useMemo<Columns<LogLine>>(
    () => [
      { id: 'time', header: t('logs.columns.time'), enableHiding: false, meta: { phone: 'title' }, cell: ({ row }) => <Time at={row.original.created_at} /> },
      { id: 'type', header: t('logs.columns.type'), meta: { phone: 'title' }, cell: ({ row }) => <TypeTag type={row.original.type} /> },
      ...(everybody ? [{ id: 'user', header: t('logs.columns.user'), cell: ({ row }) => row.original.username } satisfies Columns<LogLine>[number]] : []),
      { id: 'model', header: t('logs.columns.model'), cell: ({ row }) => (row.original.model_name ? <strong>{row.original.model_name}</strong> : <span className="i-soft">{row.original.content || '—'}</span>) },
      { id: 'key', header: t('logs.columns.key'), cell: ({ row }) => row.original.token_name || '—' },
      {
        id: 'tokens',
        header: t('logs.columns.tokens'),
        meta: { right: true },
        cell: ({ row }) =>
          other(row.original) ? (
            <span className="i-number">{format.short(row.original.prompt_tokens)} <span className="i-soft">→</span> {format.short(row.original.completion_tokens)}</span>
          ) : '—',
      },
      { id: 'cost', header: t('logs.cost'), meta: { right: true }, cell: ({ row }) => <span className="i-number">{row.original.quota ? format.money(row.original.quota) : '—'}</span> },
      {
        id: 'took',
        header: t('logs.columns.took'),
        meta: { right: true },
        cell: ({ row }) => {
          const beside = other(row.original);
          return beside ? <span className="i-number">{row.original.use_time ? t('logs.seconds', { seconds: format.number(row.original.use_time) }) : t('logs.underSecond')} {row.original.is_stream && <Tag>{t('logs.stream')}</Tag>}</span> : '—';
        },
      },
      ...(everybody ? [{ id: 'channel', header: t('logs.columns.channel'), meta: { phone: 'none' }, cell: ({ row }) => row.original.channel_name || row.original.channel || '—' } satisfies Columns<LogLine>[number]] : []),
      { id: 'group', header: t('logs.columns.group'), meta: { phone: 'none' }, cell: ({ row }) => row.original.group || '—' },
      { id: 'ip', header: t('logs.columns.ip'), meta: { phone: 'none' }, cell: ({ row }) => <span className="i-code">{row.original.ip || '—'}</span> },
      { id: 'request', header: t('errors.requestId'), meta: { phone: 'none' }, cell: ({ row }) => <span className="i-code">{row.original.request_id || '—'}</span> },
      {
        id: 'open',
        header: '',
        enableHiding: false,
        meta: { right: true, phone: 'foot', name: t('logs.details') },
        cell: ({ row }) => <Button size="compact-sm" variant="subtle" onClick={() => setOpen(row.original)}>{t('logs.details')}</Button>,
      },
    ],
    [t, format, everybody],
  );

  return (
    <>
      <PageHead
        title={t('pages.logs')}
        text={t(everybody ? 'logs.textAll' : 'logs.text')}
        actions={admin && (
          <SegmentedControl
            size="sm"
            aria-label={t('logs.scope')}
            value={everybody ? 'all' : 'own'}
            onChange={(scope) => filter({ scope })}
            data={[{ value: 'all', label: t('logs.scopes.all') }, { value: 'own', label: t('logs.scopes.own') }]}
          />
        )}
      />
      <div className={classes.figures}>
        <span>{t('logs.sum')} <strong>{sums ? format.money(sums.quota) : '…'}</strong></span>
        <span>{t('logs.rpm')} <strong>{sums ? format.number(sums.rpm) : '…'}</strong></span>
        <span>{t('logs.tpm')} <strong>{sums ? format.short(sums.tpm) : '…'}</strong></span>
      </div>
      <DataTable
        label={t('pages.logs')}
        columns={columns}
        rowId={(row) => `${row.id}-${row.request_id}`}
        asked={asked}
        table={table}
        onOpen={setOpen}
        toolbar={
          <>
            <Select
              w={140}
              aria-label={t('logs.columns.type')}
              value={filters.type}
              onChange={(type) => filter({ type: type ?? '0' })}
              allowDeselect={false}
              data={[{ value: '0', label: t('logs.allTypes') }, ...TYPES.map((type) => ({ value: String(type), label: t(`logs.types.${type}`) }))]}
            />
            <Select
              w={140}
              aria-label={t('logs.range')}
              value={filters.range}
              onChange={(range) => filter({ range: range ?? 'week' })}
              allowDeselect={false}
              data={(Object.keys(RANGES) as Range[]).map((range) => ({ value: range, label: t(`logs.ranges.${range}`) }))}
            />
            <Button variant="default" leftSection={<IconAdjustmentsHorizontal size={16} />} onClick={toggle} aria-expanded={more}>{t('logs.more')}</Button>
            <Switch label={t('logs.live')} checked={filters.live !== ''} onChange={(event) => filter({ live: event.currentTarget.checked ? '1' : '' })} />
            <Collapse expanded={more} className={classes.more}>
              <div className={classes.more}>
                {[...TEXTS, ...(everybody ? ADMIN_TEXTS : [])].map((name) => <TextFilter key={name} name={name} filters={filters} filter={filter} />)}
              </div>
            </Collapse>
          </>
        }
        empty={<Empty icon={IconFileText} title={t('logs.empty')} text={t('logs.emptyText')} action={<Button component={Link} to="/playground">{t('logs.try')}</Button>} />}
      />
      <Drawer opened={open !== null} onClose={() => setOpen(null)} title={t('logs.receipt')} closeButtonProps={{ 'aria-label': t('common.close') }}>
        {open && <Receipt line={open} />}
      </Drawer>
    </>
  );
}
