/** Every option: what it is for, what it may be, what it is; found by word, changed in place, checked by the server. */

import { Button, Group, NativeSelect, NumberInput, Select, Stack, Switch, Tabs, Textarea, TextInput } from '@mantine/core';
import { IconSearch, IconSettings } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { get, put } from '@/api/client';
import type { OptionRow, OptionRows } from '@/api/payloads';
import { cache } from '@/api/site';
import { useAddress } from '@/app/router';
import { Empty } from '@/parts/Empty';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { explain } from '@/parts/explain';
import { JsonEditor } from '@/parts/JsonEditor';
import { PageHead } from '@/parts/PageHead';
import { PageSkeleton } from '@/parts/PageSkeleton';
import { Panel } from '@/parts/Panel';
import { Password } from '@/parts/Password';
import { Tag } from '@/parts/Tag';
import { told } from '@/parts/told';

import classes from './settings.module.css';

const KEY = ['options'];
const ALL = 'all';

async function save(name: string, value: string): Promise<void> {
  await put('/api/option/', { key: name, value });
  await Promise.all([cache.invalidateQueries({ queryKey: KEY }), cache.invalidateQueries({ queryKey: ['site'] })]);
}

/** JSON as people read it; what is none, as it is. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const shown = (row: OptionRow) => (row.form === 'json' ? pretty(row.value) : row.value);

function Field({ row }: { row: OptionRow }) {
  const { t } = useTranslation();
  const [value, setValue] = useState(shown(row));
  const [held, setHeld] = useState(shown(row));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  if (held !== shown(row)) {
    // The server has another value now: a reset, or somebody else's change.
    setHeld(shown(row));
    setValue(shown(row));
  }
  const changed = value !== held;
  const write = async (wanted: string) => {
    setBusy(true);
    setError('');
    try {
      await save(row.name, wanted);
      if (row.form === 'switch') told.undoable(t('settings.saved', { name: row.name }), () => save(row.name, row.value || row.default));
      else told.good(t('settings.saved', { name: row.name }));
      if (row.secret) setValue('');
    } catch (problem) {
      const { title, text } = explain(problem);
      setError(text || title);
      if (row.form === 'switch') setValue(held);
    } finally {
      setBusy(false);
    }
  };
  const locked = row.own_route;
  const common = { 'aria-label': row.name, error: error || undefined, disabled: locked };
  let field;
  if (row.secret) {
    field = <Password {...common} placeholder={row.is_set ? t('settings.secretSet') : t('settings.secretUnset')} autoComplete="new-password" value={value} onChange={(event) => setValue(event.currentTarget.value)} />;
  } else if (row.form === 'switch') {
    field = (
      <Switch
        {...common}
        checked={value === 'true'}
        onChange={(event) => {
          const wanted = String(event.currentTarget.checked);
          setValue(wanted);
          void write(wanted);
        }}
      />
    );
  } else if (row.form === 'choice') {
    field = <Select {...common} data={row.names.map((name) => ({ value: name, label: name || t('settings.none') }))} value={value} onChange={(next) => setValue(next ?? '')} allowDeselect={false} />;
  } else if (row.form === 'number') field = <NumberInput {...common} value={value} onChange={(next) => setValue(String(next))} />;
  else if (row.form === 'json') field = <JsonEditor label={row.name} error={error} value={value} onChange={setValue} />;
  else if (row.form === 'lines') field = <Textarea {...common} autosize minRows={3} maxRows={16} value={value} onChange={(event) => setValue(event.currentTarget.value)} />;
  else field = <TextInput {...common} value={value} onChange={(event) => setValue(event.currentTarget.value)} />;
  return (
    <div className={classes.row} data-changed={changed || undefined}>
      <div className={classes.words}>
        <span className={classes.name}>{row.name}</span>
        <p>{row.help}</p>
        <p className="i-soft">
          {row.kind}
          {row.default !== '' && row.default.length <= 60 && <> · {t('settings.default')} <span className="i-code">{row.default}</span></>}
        </p>
        <Group gap={6}>
          {!row.used && !row.why_not && <Tag tone="warn">{t('settings.unused')}</Tag>}
          {row.why_not && <Tag tone="warn">{t('settings.noSense', { why: row.why_not })}</Tag>}
          {locked && <Tag>{t('settings.ownRoute')}</Tag>}
          {row.needs.length > 0 && <Tag>{t('settings.needs', { names: row.needs.join(', ') })}</Tag>}
        </Group>
      </div>
      <Stack gap="xs" className={classes.field}>
        {field}
        {row.form !== 'switch' && changed && (
          <Group gap="xs" justify="flex-end">
            <Button size="xs" variant="default" onClick={() => { setValue(held); setError(''); }}>{t('settings.discard')}</Button>
            <Button size="xs" loading={busy} onClick={() => void write(value)}>{t('settings.save')}</Button>
          </Group>
        )}
      </Stack>
    </div>
  );
}

export default function Settings() {
  const { t } = useTranslation();
  const [place, go] = useAddress({ group: '', word: '', show: 'used' });
  const asked = useQuery({ queryKey: KEY, queryFn: ({ signal }) => get<OptionRows>('/api/isthmus/options', {}, signal), staleTime: 30_000 });
  const rows = useMemo(() => asked.data ?? [], [asked.data]);
  const groups = useMemo(() => [...new Set(rows.map((row) => row.group))], [rows]);
  const group = place.group || groups[0] || '';
  const word = place.word.trim().toLowerCase();
  const found = rows.filter(
    (row) =>
      (place.show === ALL || row.used) &&
      (word ? `${row.name} ${row.help}`.toLowerCase().includes(word) : row.group === group),
  );
  if (asked.error && !asked.data) return <ErrorPanel error={asked.error} retry={() => void asked.refetch()} />;
  if (!asked.data) return <PageSkeleton />;
  return (
    <>
      <PageHead title={t('pages.settings')} text={t('settings.text')} />
      <Group mb="md" align="flex-end">
        <TextInput
          className={classes.search}
          leftSection={<IconSearch size={16} />}
          placeholder={t('settings.search')}
          aria-label={t('settings.search')}
          value={place.word}
          onChange={(event) => go({ word: event.currentTarget.value })}
        />
        <NativeSelect
          aria-label={t('settings.show')}
          value={place.show}
          onChange={(event) => go({ show: event.currentTarget.value })}
          data={[{ value: 'used', label: t('settings.showUsed') }, { value: ALL, label: t('settings.showAll') }]}
        />
      </Group>
      {!word && (
        <Tabs value={group} onChange={(next) => go({ group: next ?? '' })} mb="md">
          <Tabs.List className={classes.tabs}>
            {groups.map((name) => <Tabs.Tab key={name} value={name}>{t(`settings.groups.${name}`, { defaultValue: name })}</Tabs.Tab>)}
          </Tabs.List>
        </Tabs>
      )}
      <Panel flush>
        {found.length === 0 ? (
          <Empty icon={IconSettings} title={t('settings.nothing')} text={t('settings.nothingText')} />
        ) : (
          found.map((row) => <Field key={row.name} row={row} />)
        )}
      </Panel>
    </>
  );
}
