/** Accounts: found, made, changed, given money, promoted, disabled, deleted. */

import { ActionIcon, Button, Drawer, Group, Menu, Select, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconArrowDown, IconArrowUp, IconBan, IconCoin, IconDots, IconFileText, IconPencil, IconPlayerPlay, IconPlus, IconSearch, IconTrash, IconUsers } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { remove } from '@/api/client';
import type { User } from '@/api/payloads';
import { ADMIN, ROOT, useIs, USER, useSelf } from '@/api/site';
import { useFormat } from '@/app/format';
import { useAddress } from '@/app/router';
import { groupNamesQuery } from '@/pages/channels/queries';
import { confirm } from '@/parts/confirm';
import { type Columns, DataTable } from '@/parts/DataTable';
import { Empty } from '@/parts/Empty';
import { PageHead } from '@/parts/PageHead';
import { useTable } from '@/parts/table-state';
import { Tag } from '@/parts/Tag';
import { Time } from '@/parts/Time';
import { told } from '@/parts/told';

import { type Action, again, ENABLED, manage, usersQuery } from './queries';
import { Balance, UserForm } from './UserForm';

const roleName = (role: number) => (role >= ROOT ? 'root' : role >= ADMIN ? 'admin' : 'user');

function Actions({ user, onEdit, onMoney }: { user: User; onEdit: () => void; onMoney: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const self = useSelf();
  const root = useIs(ROOT);
  if (user.role >= self.role && user.id !== self.id) return null;
  const act = async (action: Action) => {
    try {
      await manage(user.id, action);
      await again();
      told.good(t(`users.done.${action}`, { name: user.username }));
    } catch (problem) {
      told.bad(problem);
    }
  };
  const drop = async () => {
    const sure = await confirm({
      title: t('users.deleteTitle', { name: user.username }), text: t('users.deleteText'), action: t('users.delete'), danger: true, typed: user.username,
    });
    if (!sure) return;
    try {
      await remove(`/api/user/${user.id}`);
      await again();
      told.good(t('users.deleted'));
    } catch (problem) {
      told.bad(problem);
    }
  };
  return (
    <Menu>
      <Menu.Target><ActionIcon aria-label={t('users.moreOf', { name: user.username })}><IconDots size={18} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item leftSection={<IconPencil size={16} />} onClick={onEdit}>{t('users.edit')}</Menu.Item>
        <Menu.Item leftSection={<IconCoin size={16} />} onClick={onMoney}>{t('users.balance')}</Menu.Item>
        <Menu.Item leftSection={<IconFileText size={16} />} onClick={() => void navigate({ to: '/logs', search: { username: user.username } as never })}>{t('users.logs')}</Menu.Item>
        {user.id !== self.id && (
          <>
            <Menu.Item leftSection={user.status === ENABLED ? <IconBan size={16} /> : <IconPlayerPlay size={16} />} onClick={() => void act(user.status === ENABLED ? 'disable' : 'enable')}>
              {t(user.status === ENABLED ? 'users.disable' : 'users.enable')}
            </Menu.Item>
            {root && user.role === USER && <Menu.Item leftSection={<IconArrowUp size={16} />} onClick={() => void act('promote')}>{t('users.promote')}</Menu.Item>}
            {root && user.role === ADMIN && <Menu.Item leftSection={<IconArrowDown size={16} />} onClick={() => void act('demote')}>{t('users.demote')}</Menu.Item>}
            <Menu.Divider />
            <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => void drop()}>{t('users.delete')}</Menu.Item>
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

export default function Users() {
  const { t } = useTranslation();
  const format = useFormat();
  const table = useTable('users', { keyword: '', group: '', role: '', status: '' }, ['email', 'created']);
  const [place, go] = useAddress({ edit: '', money: '' });
  const asked = useQuery({ ...usersQuery(table.paging, table.filters), placeholderData: keepPreviousData });
  const groups = useQuery(groupNamesQuery).data ?? [];
  const [typed, setTyped] = useState(table.filters.keyword);
  const search = useDebouncedCallback((keyword: string) => table.filter({ keyword: keyword.trim() }), 400);
  const rows = asked.data?.items ?? [];
  const find = (id: string) => rows.find((row) => String(row.id) === id) ?? null;
  const edited = find(place.edit);
  const paid = find(place.money);

  const columns = useMemo<Columns<User>>(
    () => [
      { id: 'id', header: t('users.columns.id'), meta: { phone: 'none' }, cell: ({ row }) => <span className="i-soft i-number">{row.original.id}</span> },
      {
        id: 'name',
        header: t('users.columns.name'),
        enableHiding: false,
        meta: { phone: 'title' },
        cell: ({ row }) => (
          <div>
            <strong>{row.original.username}</strong>
            {row.original.display_name !== row.original.username && <div className="i-soft">{row.original.display_name}</div>}
          </div>
        ),
      },
      {
        id: 'role',
        header: t('users.columns.role'),
        cell: ({ row }) => <Tag tone={row.original.role >= ADMIN ? 'accent' : 'plain'}>{t(`users.roles.${roleName(row.original.role)}`)}</Tag>,
      },
      {
        id: 'status',
        header: t('users.columns.status'),
        meta: { phone: 'title' },
        cell: ({ row }) => <Tag tone={row.original.status === ENABLED ? 'good' : 'bad'}>{t(`users.states.${row.original.status === ENABLED ? 'enabled' : 'disabled'}`)}</Tag>,
      },
      { id: 'group', header: t('users.columns.group'), cell: ({ row }) => <Tag>{row.original.group}</Tag> },
      { id: 'quota', header: t('users.columns.quota'), meta: { right: true }, cell: ({ row }) => <span className="i-number">{format.money(row.original.quota)}</span> },
      { id: 'used', header: t('users.columns.used'), meta: { right: true }, cell: ({ row }) => <span className="i-number">{format.money(row.original.used_quota)}</span> },
      { id: 'requests', header: t('users.columns.requests'), meta: { right: true }, cell: ({ row }) => <span className="i-number">{format.number(row.original.request_count)}</span> },
      { id: 'email', header: t('users.columns.email'), meta: { phone: 'none' }, cell: ({ row }) => row.original.email || '—' },
      { id: 'created', header: t('users.columns.created'), meta: { phone: 'none' }, cell: ({ row }) => <Time at={row.original.created_at} relative /> },
      {
        id: 'actions',
        header: '',
        enableHiding: false,
        meta: { right: true, phone: 'foot', name: t('users.columns.actions') },
        cell: ({ row }) => (
          <Group justify="flex-end">
            <Actions user={row.original} onEdit={() => go({ edit: String(row.original.id) })} onMoney={() => go({ money: String(row.original.id) })} />
          </Group>
        ),
      },
    ],
    [t, format, go],
  );

  const create = <Button leftSection={<IconPlus size={17} />} onClick={() => go({ edit: 'new' })}>{t('users.create')}</Button>;
  return (
    <>
      <PageHead title={t('pages.users')} text={t('users.text')} actions={create} />
      <DataTable
        label={t('pages.users')}
        columns={columns}
        rowId={(row) => String(row.id)}
        asked={asked}
        table={{ ...table, clear: () => { setTyped(''); table.clear(); } }}
        toolbar={
          <>
            <TextInput
              leftSection={<IconSearch size={16} />}
              placeholder={t('users.search')}
              aria-label={t('users.search')}
              value={typed}
              onChange={(event) => {
                setTyped(event.currentTarget.value);
                search(event.currentTarget.value);
              }}
            />
            <Select placeholder={t('users.columns.group')} aria-label={t('users.columns.group')} clearable searchable data={groups} value={table.filters.group || null} onChange={(group) => table.filter({ group: group ?? '' })} />
            <Select
              placeholder={t('users.columns.role')}
              aria-label={t('users.columns.role')}
              clearable
              data={[USER, ADMIN, ROOT].map((role) => ({ value: String(role), label: t(`users.roles.${roleName(role)}`) }))}
              value={table.filters.role || null}
              onChange={(role) => table.filter({ role: role ?? '' })}
            />
          </>
        }
        empty={<Empty icon={IconUsers} title={t('users.empty')} action={create} />}
      />
      <Drawer
        opened={place.edit === 'new' || edited !== null}
        onClose={() => go({ edit: '' })}
        title={edited ? t('users.editTitle', { name: edited.username }) : t('users.create')}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        <UserForm key={place.edit} user={edited} onDone={() => go({ edit: '' })} />
      </Drawer>
      <Drawer
        opened={paid !== null}
        onClose={() => go({ money: '' })}
        title={paid ? t('users.balanceOf', { name: paid.username }) : ''}
        closeButtonProps={{ 'aria-label': t('common.close') }}
      >
        {paid && <Balance key={place.money} user={paid} onDone={() => go({ money: '' })} />}
      </Drawer>
    </>
  );
}
