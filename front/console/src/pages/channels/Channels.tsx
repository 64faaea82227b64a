/** Every channel: its state, what it serves, how it answers; tested, switched, changed, deleted, one or many. */

import { ActionIcon, Button, Drawer, Group, Menu, Select, TextInput, Tooltip } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconBan, IconCopy, IconDots, IconFileText, IconPencil, IconPlayerPlay, IconPlugConnected, IconPlus, IconRefresh, IconRoute, IconSearch, IconTrash } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { RowSelectionState } from '@tanstack/react-table';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { post, put, remove, whole } from '@/api/client';
import type { Channel } from '@/api/payloads';
import { useFormat } from '@/app/format';
import { useAddress } from '@/app/router';
import { confirm } from '@/parts/confirm';
import { type Columns, DataTable } from '@/parts/DataTable';
import { Empty } from '@/parts/Empty';
import { PageHead } from '@/parts/PageHead';
import { useTable } from '@/parts/table-state';
import { Tag } from '@/parts/Tag';
import { Time } from '@/parts/Time';
import { told } from '@/parts/told';

import { ChannelForm } from './ChannelForm';
import { again, channelsQuery, DISABLED, ENABLED, groupNamesQuery, SORTS, split, states, testChannel } from './queries';
import { typeChoices, typeName } from './types';

/** Runs an action, says how it went, and shows the list anew. */
async function act(work: () => Promise<unknown>, done: string): Promise<void> {
  try {
    await work();
    await again();
    told.good(done);
  } catch (problem) {
    told.bad(problem);
  }
}

function Actions({ channel, onEdit }: { channel: Channel; onEdit: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const [testing, setTesting] = useState(false);
  const set = (status: number) => put('/api/channel/', { id: channel.id, status }).then(again);
  const test = async () => {
    setTesting(true);
    try {
      const found = await testChannel(channel);
      told.good(t('channels.tested', { name: channel.name, seconds: format.number(found.time) }));
    } catch (problem) {
      told.bad(problem);
    } finally {
      setTesting(false);
      await again();
    }
  };
  const toggle = async () => {
    const wanted = channel.status === ENABLED ? DISABLED : ENABLED;
    try {
      await set(wanted);
      told.undoable(t(wanted === ENABLED ? 'channels.nowEnabled' : 'channels.nowDisabled', { name: channel.name }), () => set(channel.status));
    } catch (problem) {
      told.bad(problem);
    }
  };
  const drop = async () => {
    const sure = await confirm({ title: t('channels.deleteTitle', { name: channel.name }), text: t('channels.deleteText'), action: t('channels.delete'), danger: true });
    if (sure) await act(() => remove(`/api/channel/${channel.id}`), t('channels.deleted'));
  };
  const balance = () => act(() => whole('GET', `/api/channel/update_balance/${channel.id}`), t('channels.balanceAsked'));
  return (
    <Group gap={0} wrap="nowrap" justify="flex-end">
      <Tooltip label={t('channels.test')}>
        <ActionIcon aria-label={t('channels.testOf', { name: channel.name })} loading={testing} onClick={() => void test()}><IconPlugConnected size={18} stroke={1.7} /></ActionIcon>
      </Tooltip>
      <Menu>
        <Menu.Target>
          <ActionIcon aria-label={t('channels.moreOf', { name: channel.name })}><IconDots size={18} /></ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>{t('channels.edit')}</Menu.Item>
          <Menu.Item leftSection={channel.status === ENABLED ? <IconBan size={16} /> : <IconPlayerPlay size={16} />} onClick={() => void toggle()}>
            {t(channel.status === ENABLED ? 'channels.disable' : 'channels.enable')}
          </Menu.Item>
          <Menu.Item leftSection={<IconCopy size={16} />} onClick={() => void act(() => post(`/api/channel/copy/${channel.id}`), t('channels.copied'))}>{t('channels.copy')}</Menu.Item>
          <Menu.Item leftSection={<IconRefresh size={16} />} onClick={() => void balance()}>{t('channels.askBalance')}</Menu.Item>
          <Menu.Item leftSection={<IconFileText size={16} />} onClick={() => void navigate({ to: '/logs', search: { channel: String(channel.id) } as never })}>
            {t('channels.logs')}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => void drop()}>{t('channels.delete')}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}

export default function Channels() {
  const { t } = useTranslation();
  const format = useFormat();
  const table = useTable('channels', { keyword: '', group: '', model: '', status: '', type: '' }, ['tag', 'created', 'used']);
  const [place, go] = useAddress({ edit: '' });
  const [selected, select] = useState<RowSelectionState>({});
  const asked = useQuery({ ...channelsQuery(table.paging, table.filters, table.sort, table.descending), placeholderData: keepPreviousData });
  const groups = useQuery(groupNamesQuery).data ?? [];
  const [typed, setTyped] = useState(table.filters.keyword);
  const search = useDebouncedCallback((keyword: string) => table.filter({ keyword: keyword.trim() }), 400);
  const rows = asked.data?.items ?? [];
  const edited = rows.find((row) => String(row.id) === place.edit) ?? null;
  const chosen = Object.keys(selected).filter((id) => selected[id]).map(Number);

  const dropChosen = async () => {
    const sure = await confirm({ title: t('channels.deleteMany', { count: chosen.length }), text: t('channels.deleteText'), action: t('channels.delete'), danger: true });
    if (!sure) return;
    await act(() => post('/api/channel/batch', { ids: chosen }), t('channels.deleted'));
    select({});
  };

  const columns = useMemo<Columns<Channel>>(
    () => [
      { id: 'id', header: t('channels.columns.id'), meta: { phone: 'none' }, cell: ({ row }) => <span className="i-soft i-number">{row.original.id}</span> },
      { id: 'name', header: t('channels.columns.name'), enableHiding: false, meta: { phone: 'title' }, cell: ({ row }) => <strong>{row.original.name}</strong> },
      { id: 'type', header: t('channels.columns.type'), cell: ({ row }) => <span className="i-nowrap">{typeName(row.original.type)}</span> },
      {
        id: 'status',
        header: t('channels.columns.status'),
        meta: { phone: 'title' },
        cell: ({ row }) => {
          const state = states[row.original.status] ?? states[DISABLED];
          return state ? <Tag tone={state.tone}>{t(`channels.states.${state.name}`)}</Tag> : null;
        },
      },
      {
        id: 'models',
        header: t('channels.columns.models'),
        cell: ({ row }) => {
          const names = split(row.original.models);
          return <Tooltip label={names.slice(0, 60).join(', ')} multiline maw={420}><span className="i-nowrap" tabIndex={0}>{names.length === 1 ? names[0] : t('channels.models', { count: names.length })}</span></Tooltip>;
        },
      },
      { id: 'groups', header: t('channels.columns.groups'), cell: ({ row }) => <Group gap={4}>{split(row.original.group).map((name) => <Tag key={name}>{name}</Tag>)}</Group> },
      { id: 'priority', header: t('channels.columns.priority'), meta: { right: true }, cell: ({ row }) => <span className="i-number">{row.original.priority} <span className="i-soft">/ {row.original.weight}</span></span> },
      { id: 'response', header: t('channels.columns.response'), meta: { right: true }, cell: ({ row }) => (row.original.response_time ? <span className="i-number">{format.number(row.original.response_time / 1000)} s</span> : <span className="i-soft">—</span>) },
      { id: 'balance', header: t('channels.columns.balance'), meta: { right: true }, cell: ({ row }) => (row.original.balance ? <span className="i-number">{format.usd(row.original.balance)}</span> : <span className="i-soft">—</span>) },
      { id: 'used', header: t('channels.columns.used'), meta: { right: true, phone: 'none' }, cell: ({ row }) => <span className="i-number">{format.money(row.original.used_quota)}</span> },
      { id: 'tested', header: t('channels.columns.tested'), cell: ({ row }) => (row.original.test_time ? <Time at={row.original.test_time} relative /> : <span className="i-soft">—</span>) },
      { id: 'tag', header: t('channels.columns.tag'), meta: { phone: 'none' }, cell: ({ row }) => (row.original.tag ? <Tag>{row.original.tag}</Tag> : null) },
      { id: 'created', header: t('channels.columns.created'), meta: { phone: 'none' }, cell: ({ row }) => <Time at={row.original.created_time} relative /> },
      {
        id: 'actions',
        header: '',
        enableHiding: false,
        meta: { right: true, phone: 'foot', name: t('channels.columns.actions') },
        cell: ({ row }) => <Actions channel={row.original} onEdit={() => go({ edit: String(row.original.id) })} />,
      },
    ],
    [t, format, go],
  );

  const create = <Button leftSection={<IconPlus size={17} />} onClick={() => go({ edit: 'new' })}>{t('channels.create')}</Button>;
  return (
    <>
      <PageHead title={t('pages.channels')} text={t('channels.text')} actions={create} />
      <DataTable
        label={t('pages.channels')}
        columns={columns}
        rowId={(row) => String(row.id)}
        asked={asked}
        table={{ ...table, clear: () => { setTyped(''); table.clear(); } }}
        sortable={Object.keys(SORTS)}
        selected={selected}
        onSelect={select}
        onOpen={(row) => go({ edit: String(row.id) })}
        toolbar={
          <>
            <TextInput
              leftSection={<IconSearch size={16} />}
              placeholder={t('channels.search')}
              aria-label={t('channels.search')}
              value={typed}
              onChange={(event) => {
                setTyped(event.currentTarget.value);
                search(event.currentTarget.value);
              }}
            />
            <Select placeholder={t('channels.columns.type')} aria-label={t('channels.columns.type')} clearable searchable data={typeChoices} value={table.filters.type || null} onChange={(type) => table.filter({ type: type ?? '' })} />
            <Select
              placeholder={t('channels.columns.status')}
              aria-label={t('channels.columns.status')}
              clearable
              data={[{ value: 'enabled', label: t('channels.states.enabled') }, { value: 'disabled', label: t('channels.states.disabled') }]}
              value={table.filters.status || null}
              onChange={(status) => table.filter({ status: status ?? '' })}
            />
            <Select placeholder={t('channels.columns.groups')} aria-label={t('channels.columns.groups')} clearable searchable data={groups} value={table.filters.group || null} onChange={(group) => table.filter({ group: group ?? '' })} />
            {chosen.length > 0 && (
              <Button color="red" variant="light" leftSection={<IconTrash size={16} />} onClick={() => void dropChosen()}>{t('channels.deleteChosen', { count: chosen.length })}</Button>
            )}
          </>
        }
        empty={<Empty icon={IconRoute} title={t('channels.empty')} text={t('channels.emptyText')} action={create} />}
      />
      <Drawer
        size="lg"
        opened={place.edit === 'new' || edited !== null}
        onClose={() => go({ edit: '' })}
        title={edited ? t('channels.editTitle', { name: edited.name }) : t('channels.create')}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        <ChannelForm key={place.edit} channel={edited} onDone={() => go({ edit: '' })} />
      </Drawer>
    </>
  );
}
