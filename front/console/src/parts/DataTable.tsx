/** Lists of the server: pages, column choice, order, selection, skeletons; on a phone rows become cards. */

import { ActionIcon, Checkbox, Group, Menu, Pagination, Select, Skeleton, Table, Tooltip, UnstyledButton } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { IconArrowDown, IconArrowUp, IconArrowsSort, IconColumns3, IconRefresh } from '@tabler/icons-react';
import { type ColumnDef, flexRender, getCoreRowModel, type Row as TableRow, type RowSelectionState, useReactTable } from '@tanstack/react-table';
import type { ReactNode } from 'react';
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';

import type { Page } from '@/api/client';
import { useFormat } from '@/app/format';

import classes from './DataTable.module.css';
import { Empty } from './Empty';
import { ErrorPanel } from './ErrorPanel';
import { SIZES, type TableState } from './table-state';

declare module '@tanstack/react-table' {
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- the names are the library's
  interface ColumnMeta<TData, TValue> {
    /** Figures stand to the right. */
    right?: boolean;
    /** On a phone: the card's heading, its foot (actions), or left out. */
    phone?: 'title' | 'foot' | 'none';
    /** The name, where header is no text. */
    name?: string;
  }
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a column's value has a type of its own
export type Columns<Row> = ColumnDef<Row, any>[];

interface Asked<Row> {
  data: Page<Row> | undefined;
  error: unknown;
  isPending: boolean;
  isFetching: boolean;
  refetch: () => unknown;
}

interface Props<Row> {
  /** What the table lists, for screen readers. */
  label: string;
  columns: Columns<Row>;
  rowId: (row: Row) => string;
  asked: Asked<Row>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- any page's filters
  table: TableState<any>;
  /** Filters and the like, at the left of the bar. */
  toolbar?: ReactNode;
  /** What is shown where there is nothing at all. */
  empty: ReactNode;
  /** Columns the server sorts by; their ids are sent as `sort`. */
  sortable?: string[];
  onOpen?: (row: Row) => void;
  selected?: RowSelectionState;
  onSelect?: (selected: RowSelectionState) => void;
}

const label = <Row,>(column: { id: string; columnDef: ColumnDef<Row> }): string =>
  column.columnDef.meta?.name ?? (typeof column.columnDef.header === 'string' ? column.columnDef.header : column.id);

export function DataTable<Row>(props: Props<Row>) {
  const { columns, rowId, asked, table: state, sortable = [], selected, onSelect } = props;
  const { t } = useTranslation();
  const format = useFormat();
  const phone = useMediaQuery('(max-width: 48em)', false, { getInitialValueInEffect: false });
  const rows = asked.data?.items ?? [];
  const total = asked.data?.total ?? 0;
  const table = useReactTable<Row>({
    data: rows,
    columns,
    getRowId: rowId,
    getCoreRowModel: getCoreRowModel(),
    manualPagination: true,
    manualSorting: true,
    enableRowSelection: Boolean(onSelect),
    state: {
      columnVisibility: Object.fromEntries(state.hidden.map((id) => [id, false])),
      rowSelection: selected ?? {},
    },
    onRowSelectionChange: (change) => onSelect?.(typeof change === 'function' ? change(selected ?? {}) : change),
  });
  const pages = Math.max(1, Math.ceil(total / state.size));
  const choosable = table.getAllLeafColumns().filter((column) => column.getCanHide() && label(column));

  const hide = (id: string) => {
    const hidden = state.hidden.includes(id) ? state.hidden.filter((held) => held !== id) : [...state.hidden, id];
    state.turn({ hide: hidden.join(',') });
  };
  const order = (id: string) => {
    if (state.sort !== id) state.turn({ sort: id, order: 'desc' });
    else if (state.descending) state.turn({ sort: id, order: 'asc' });
    else state.turn({ sort: '', order: 'desc' });
  };

  let content: ReactNode;
  if (asked.error && !asked.data) content = <div className={classes.pad}><ErrorPanel error={asked.error} retry={() => void asked.refetch()} /></div>;
  else if (!asked.isPending && rows.length === 0 && state.filtered) {
    content = <Empty title={t('table.noMatch')} text={t('table.noMatchText')} action={<Button variant="default" onClick={state.clear}>{t('table.clear')}</Button>} />;
  } else if (!asked.isPending && rows.length === 0 && state.page > 1) {
    content = <Empty title={t('table.noPage')} action={<Button variant="default" onClick={() => state.turn({ p: '1' })}>{t('table.firstPage')}</Button>} />;
  } else if (!asked.isPending && rows.length === 0) content = props.empty;
  else if (phone) content = <Cards table={table} rows={table.getRowModel().rows} waiting={asked.isPending} onOpen={props.onOpen} label={props.label} />;
  else {
    content = (
      <div className={classes.scroll} tabIndex={0} role="region" aria-label={props.label}>
        <Table className={classes.table} highlightOnHover={rows.length > 0} aria-busy={asked.isFetching}>
          <Table.Thead>
            <Table.Tr>
              {onSelect && (
                <Table.Th w={44}>
                  <Checkbox
                    aria-label={t('table.selectAll')}
                    checked={table.getIsAllRowsSelected()}
                    indeterminate={table.getIsSomeRowsSelected()}
                    onChange={table.getToggleAllRowsSelectedHandler()}
                  />
                </Table.Th>
              )}
              {table.getFlatHeaders().map((header) => {
                const sorts = sortable.includes(header.column.id);
                const now = state.sort === header.column.id;
                const Sign = !now ? IconArrowsSort : state.descending ? IconArrowDown : IconArrowUp;
                const name = flexRender(header.column.columnDef.header, header.getContext());
                return (
                  <Table.Th
                    key={header.id}
                    scope="col"
                    data-right={header.column.columnDef.meta?.right || undefined}
                    aria-sort={now ? (state.descending ? 'descending' : 'ascending') : undefined}
                  >
                    {sorts ? (
                      <UnstyledButton className={classes.sort} onClick={() => order(header.column.id)} data-now={now || undefined}>
                        {name} <Sign size={13} />
                      </UnstyledButton>
                    ) : name || <span className="i-hidden">{label(header.column)}</span>}
                  </Table.Th>
                );
              })}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {asked.isPending
              ? Array.from({ length: 8 }, (_, place) => (
                  <Table.Tr key={place}>
                    {onSelect && <Table.Td />}
                    {table.getVisibleLeafColumns().map((column) => (
                      <Table.Td key={column.id}><Skeleton h={16} my={3} w={column.columnDef.meta?.right ? '50%' : '75%'} /></Table.Td>
                    ))}
                  </Table.Tr>
                ))
              : table.getRowModel().rows.map((row) => (
                  <Table.Tr
                    key={row.id}
                    onClick={props.onOpen && ((event) => opened(event) && props.onOpen?.(row.original))}
                    data-opens={props.onOpen ? true : undefined}
                  >
                    {onSelect && (
                      <Table.Td>
                        <Checkbox aria-label={t('table.select', { name: row.id })} checked={row.getIsSelected()} onChange={row.getToggleSelectedHandler()} />
                      </Table.Td>
                    )}
                    {row.getVisibleCells().map((cell) => (
                      <Table.Td key={cell.id} data-right={cell.column.columnDef.meta?.right || undefined}>
                        {flexRender(cell.column.columnDef.cell, cell.getContext())}
                      </Table.Td>
                    ))}
                  </Table.Tr>
                ))}
          </Table.Tbody>
        </Table>
      </div>
    );
  }

  return (
    <section className={classes.all} aria-label={props.label}>
      <div className={classes.bar}>
        <div className={classes.tools}>{props.toolbar}</div>
        <Group gap={2} wrap="nowrap">
          <Tooltip label={t('table.refresh')}>
            <ActionIcon aria-label={t('table.refresh')} onClick={() => void asked.refetch()} loading={asked.isFetching && !asked.isPending}>
              <IconRefresh size={18} stroke={1.7} />
            </ActionIcon>
          </Tooltip>
          {!phone && (
            <Menu closeOnItemClick={false}>
              <Menu.Target>
                <ActionIcon aria-label={t('table.columns')}><IconColumns3 size={18} stroke={1.7} /></ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Label>{t('table.columns')}</Menu.Label>
                {choosable.map((column) => (
                  <Menu.CheckboxItem key={column.id} checked={column.getIsVisible()} onChange={() => hide(column.id)}>
                    {label(column)}
                  </Menu.CheckboxItem>
                ))}
              </Menu.Dropdown>
            </Menu>
          )}
        </Group>
      </div>
      {content}
      {total > 0 && (
        <div className={classes.foot}>
          <span className="i-soft">{t('table.total', { total: format.number(total), count: total })}</span>
          <Group gap="sm">
            {total > 10 && (
              <Select
                size="xs"
                w={118}
                aria-label={t('table.size')}
                value={String(state.size)}
                data={SIZES.map((size) => ({ value: size, label: t('table.perPage', { size }) }))}
                onChange={(size) => state.turn({ size: size ?? '20', p: '1' })}
                allowDeselect={false}
              />
            )}
            {pages > 1 && (
              <Pagination
                size="sm"
                total={pages}
                value={state.page}
                siblings={phone ? 0 : 1}
                onChange={(page) => state.turn({ p: String(page) })}
                getControlProps={(control) => ({ 'aria-label': t(`table.${control}`) })}
                getItemProps={(page) => ({ 'aria-label': t('table.page', { page }) })}
              />
            )}
          </Group>
        </div>
      )}
    </section>
  );
}

/** A click on the row itself, not on something in it that takes clicks. */
function opened(event: React.MouseEvent<HTMLElement>): boolean {
  return (event.target as HTMLElement).closest('button, a, input, label, [role="menuitem"]') === null;
}

interface CardsProps<Row> {
  table: ReturnType<typeof useReactTable<Row>>;
  rows: TableRow<Row>[];
  waiting: boolean;
  label: string;
  onOpen?: (row: Row) => void;
}

function Cards<Row>({ rows, waiting, label: name, onOpen }: CardsProps<Row>) {
  if (waiting) return <div className={classes.cards}>{Array.from({ length: 4 }, (_, place) => <Skeleton key={place} h={116} />)}</div>;
  return (
    <ul className={classes.cards} aria-label={name}>
      {rows.map((row) => {
        const cells = row.getVisibleCells();
        const part = (phone: 'title' | 'foot') => cells.filter((cell) => cell.column.columnDef.meta?.phone === phone);
        const draw = (cell: (typeof cells)[number]) => flexRender(cell.column.columnDef.cell, cell.getContext());
        return (
          <li key={row.id} className={classes.card} onClick={onOpen && ((event) => opened(event) && onOpen(row.original))}>
            <div className={classes.cardTitle}>{part('title').map((cell) => <div key={cell.id}>{draw(cell)}</div>)}</div>
            <dl>
              {cells.filter((cell) => !cell.column.columnDef.meta?.phone).map((cell) => (
                <div key={cell.id}>
                  <dt>{label(cell.column)}</dt>
                  <dd>{draw(cell)}</dd>
                </div>
              ))}
            </dl>
            <div className={classes.cardFoot}>{part('foot').map((cell) => <div key={cell.id}>{draw(cell)}</div>)}</div>
          </li>
        );
      })}
    </ul>
  );
}
