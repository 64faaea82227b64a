/** One's own API keys. */

import { ActionIcon, Button, Drawer, Group, Menu, Progress, TextInput, Tooltip } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconBan, IconCode, IconDots, IconFileText, IconKey, IconPencil, IconPlayerPlay, IconPlus, IconSearch, IconTrash } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { post, put } from '@/api/client';
import type { Token } from '@/api/payloads';
import { cache } from '@/api/site';
import { useFormat } from '@/app/format';
import { useAddress } from '@/app/router';
import { confirm } from '@/parts/confirm';
import { CopyButton } from '@/parts/CopyButton';
import { type Columns, DataTable } from '@/parts/DataTable';
import { Empty } from '@/parts/Empty';
import { PageHead } from '@/parts/PageHead';
import { useTable } from '@/parts/table-state';
import { Tag } from '@/parts/Tag';
import { Time } from '@/parts/Time';
import { told } from '@/parts/told';

import { KeyForm } from './KeyForm';
import { DISABLED, ENABLED, reveal, stateOf, tokensQuery } from './queries';
import { UseKey } from './UseKey';

const again = () => cache.invalidateQueries({ queryKey: ['keys'] });

function Spent({ token }: { token: Token }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (token.unlimited_quota) {
    return <span className="i-number">{format.money(token.used_quota)} <span className="i-soft">/ {t('keys.unlimited')}</span></span>;
  }
  const whole = token.used_quota + token.remain_quota;
  const share = whole > 0 ? (100 * token.used_quota) / whole : 0;
  return (
    <div>
      <span className="i-number">{format.money(token.used_quota)} <span className="i-soft">/ {format.money(whole)}</span></span>
      <Progress mt={3} size={4} value={share} color={share > 90 ? 'red' : 'sea'} aria-label={t('keys.columns.used')} />
    </div>
  );
}

function Actions({ token, onUse, onEdit }: { token: Token; onUse: () => void; onEdit: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const set = (status: number) => put('/api/token/', { id: token.id, status }, { status_only: true }).then(again);
  const toggle = async () => {
    const wanted = token.status === ENABLED ? DISABLED : ENABLED;
    try {
      await set(wanted);
      told.undoable(t(wanted === ENABLED ? 'keys.nowEnabled' : 'keys.nowDisabled', { name: token.name }), () => set(token.status === ENABLED ? ENABLED : DISABLED));
    } catch (problem) {
      told.bad(problem);
    }
  };
  const drop = async () => {
    const sure = await confirm({
      title: t('keys.deleteTitle', { name: token.name }),
      text: t('keys.deleteText'),
      action: t('keys.delete'),
      danger: true,
    });
    if (!sure) return;
    try {
      await post<number>('/api/token/batch', { ids: [token.id] });
      await again();
      told.good(t('keys.deleted'));
    } catch (problem) {
      told.bad(problem);
    }
  };
  return (
    <Group gap={0} wrap="nowrap" justify="flex-end">
      <Tooltip label={t('keys.use.action')}>
        <ActionIcon aria-label={t('keys.use.of', { name: token.name })} onClick={onUse}><IconCode size={18} stroke={1.7} /></ActionIcon>
      </Tooltip>
      <Menu>
        <Menu.Target>
          <ActionIcon aria-label={t('keys.more', { name: token.name })}><IconDots size={18} /></ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>{t('keys.edit')}</Menu.Item>
          <Menu.Item leftSection={<IconFileText size={16} />} onClick={() => void navigate({ to: '/logs', search: { token_name: token.name } as never })}>
            {t('keys.logs')}
          </Menu.Item>
          <Menu.Item leftSection={token.status === ENABLED ? <IconBan size={16} /> : <IconPlayerPlay size={16} />} onClick={() => void toggle()}>
            {t(token.status === ENABLED ? 'keys.disable' : 'keys.enable')}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => void drop()}>{t('keys.delete')}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}

export default function Keys() {
  const { t } = useTranslation();
  const table = useTable('keys', { keyword: '' }, ['accessed', 'ips']);
  const [place, go] = useAddress({ edit: '', use: '' });
  const [made, setMade] = useState<Token | null>(null);
  const asked = useQuery({ ...tokensQuery(table.paging, table.filters.keyword), placeholderData: keepPreviousData });
  const [typed, setTyped] = useState(table.filters.keyword);
  const search = useDebouncedCallback((keyword: string) => table.filter({ keyword: keyword.trim() }), 400);
  const rows = asked.data?.items ?? [];
  const find = (id: string) => rows.find((row) => String(row.id) === id) ?? (made && String(made.id) === id ? made : null);
  const edited = find(place.edit);
  const used = find(place.use);

  const columns = useMemo<Columns<Token>>(
    () => [
      { id: 'name', header: t('keys.columns.name'), enableHiding: false, meta: { phone: 'title' }, cell: ({ row }) => <strong>{row.original.name}</strong> },
      {
        id: 'key',
        header: t('keys.columns.key'),
        cell: ({ row }) => (
          <Group gap={2} wrap="nowrap" display="inline-flex">
            <span className="i-code i-number">sk-{row.original.key.slice(0, 4)}…{row.original.key.slice(-4)}</span>
            <CopyButton value={() => reveal(row.original.id)} label={t('keys.copyOf', { name: row.original.name })} />
          </Group>
        ),
      },
      {
        id: 'status',
        header: t('keys.columns.status'),
        meta: { phone: 'title' },
        cell: ({ row }) => <Tag tone={stateOf(row.original).tone}>{t(`keys.states.${stateOf(row.original).name}`)}</Tag>,
      },
      { id: 'used', header: t('keys.columns.used'), cell: ({ row }) => <Spent token={row.original} /> },
      { id: 'group', header: t('keys.columns.group'), cell: ({ row }) => (row.original.group ? <Tag>{row.original.group}</Tag> : <span className="i-soft">{t('keys.ownGroup')}</span>) },
      {
        id: 'models',
        header: t('keys.columns.models'),
        cell: ({ row }) => {
          if (!row.original.model_limits_enabled) return <span className="i-soft">{t('keys.allModels')}</span>;
          const names = row.original.model_limits.split(',');
          return <Tooltip label={names.join(', ')} multiline maw={360}><span>{names.length === 1 ? names[0] : t('keys.models', { count: names.length })}</span></Tooltip>;
        },
      },
      { id: 'expires', header: t('keys.columns.expires'), cell: ({ row }) => (row.original.expired_time > 0 ? <Time at={row.original.expired_time} relative /> : <span className="i-soft">{t('keys.spans.never')}</span>) },
      { id: 'accessed', header: t('keys.columns.accessed'), cell: ({ row }) => <Time at={row.original.accessed_time} relative /> },
      { id: 'created', header: t('keys.columns.created'), meta: { phone: 'none' }, cell: ({ row }) => <Time at={row.original.created_time} relative /> },
      { id: 'ips', header: t('keys.columns.ips'), meta: { phone: 'none' }, cell: ({ row }) => <span className="i-code">{row.original.allow_ips || '—'}</span> },
      {
        id: 'actions',
        header: '',
        enableHiding: false,
        meta: { right: true, phone: 'foot', name: t('keys.columns.actions') },
        cell: ({ row }) => (
          <Actions token={row.original} onUse={() => go({ use: String(row.original.id) })} onEdit={() => go({ edit: String(row.original.id) })} />
        ),
      },
    ],
    [t, go],
  );

  const create = <Button leftSection={<IconPlus size={17} />} onClick={() => go({ edit: 'new' })}>{t('keys.create')}</Button>;
  return (
    <>
      <PageHead title={t('pages.keys')} text={t('keys.text')} actions={create} />
      <DataTable
        label={t('pages.keys')}
        columns={columns}
        rowId={(row) => String(row.id)}
        asked={asked}
        table={{ ...table, clear: () => { setTyped(''); table.clear(); } }}
        onOpen={(row) => go({ use: String(row.id) })}
        toolbar={
          <TextInput
            leftSection={<IconSearch size={16} />}
            placeholder={t('keys.search')}
            aria-label={t('keys.search')}
            value={typed}
            onChange={(event) => {
              setTyped(event.currentTarget.value);
              search(event.currentTarget.value);
            }}
          />
        }
        empty={<Empty icon={IconKey} title={t('keys.empty')} text={t('keys.emptyText')} action={create} />}
      />
      <Drawer
        opened={place.edit === 'new' || edited !== null}
        onClose={() => go({ edit: '' })}
        title={edited ? t('keys.editTitle', { name: edited.name }) : t('keys.create')}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        <KeyForm
          key={place.edit}
          token={edited}
          onDone={(token) => {
            setMade(token);
            go({ edit: '', use: token ? String(token.id) : '' });
            if (!token) told.good(t('keys.saved'));
          }}
        />
      </Drawer>
      <Drawer
        opened={used !== null}
        onClose={() => go({ use: '' })}
        title={used ? t('keys.use.of', { name: used.name }) : ''}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        {used && <UseKey token={used} fresh={made?.id === used.id} />}
      </Drawer>
    </>
  );
}
