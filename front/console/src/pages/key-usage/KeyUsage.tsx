/** For who holds a key and no account: what it has, what it used, its calls. The key stays in memory. */

import { Button, Group, PasswordInput, Progress, Stack, Table } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { ask, whole } from '@/api/client';
import type { KeyUsage as Usage, LogLines } from '@/api/payloads';
import { useFormat } from '@/app/format';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { PageHead } from '@/parts/PageHead';
import { PageSkeleton } from '@/parts/PageSkeleton';
import { Panel } from '@/parts/Panel';
import { Stat, Stats } from '@/parts/Stat';
import { Time } from '@/parts/Time';

const SHOWN = 50;

function Shown({ secret }: { secret: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const usage = useQuery({ queryKey: ['key-usage', secret], queryFn: () => whole<{ data: Usage }>('GET', '/api/usage/token/', { key: secret }).then((told) => told.data), retry: false, gcTime: 0 });
  const lines = useQuery({ queryKey: ['key-lines', secret], queryFn: () => ask<LogLines>('GET', '/api/log/token', { key: secret }), retry: false, gcTime: 0 });
  const [most, setMost] = useState(SHOWN);
  if (usage.isPending) return <PageSkeleton />;
  if (usage.error) return <ErrorPanel error={usage.error} />;
  const told = usage.data;
  const share = told.total_granted > 0 ? (100 * told.total_used) / told.total_granted : 0;
  const models = Object.keys(told.model_limits ?? {});
  return (
    <Stack gap="md">
      <Stats>
        <Stat name={t('keyUsage.name')} value={told.name} />
        <Stat name={t('keyUsage.left')} value={told.unlimited_quota ? t('keys.unlimited') : format.money(told.total_available)} />
        <Stat name={t('keys.columns.used')} value={format.money(told.total_used)} note={told.unlimited_quota ? undefined : <Progress mt={4} size={5} value={share} aria-label={t('keys.columns.used')} />} />
        <Stat name={t('keys.columns.expires')} value={told.expires_at > 0 ? format.day(told.expires_at) : t('keys.spans.never')} note={told.model_limits_enabled ? models.join(', ') : t('keys.form.modelsAll')} />
      </Stats>
      <Panel title={t('keyUsage.calls')} flush>
        {lines.error ? <ErrorPanel error={lines.error} /> : (
          <div tabIndex={0} role="region" aria-label={t('keyUsage.calls')} style={{ overflowX: 'auto' }}>
            <Table mt="xs">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t('logs.columns.time')}</Table.Th>
                  <Table.Th>{t('logs.columns.model')}</Table.Th>
                  <Table.Th ta="right">{t('logs.columns.tokens')}</Table.Th>
                  <Table.Th ta="right">{t('logs.cost')}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {(lines.data ?? []).slice(0, most).map((line) => (
                  <Table.Tr key={line.id}>
                    <Table.Td><Time at={line.created_at} /></Table.Td>
                    <Table.Td>{line.model_name}</Table.Td>
                    <Table.Td ta="right" className="i-number">{format.short(line.prompt_tokens)} → {format.short(line.completion_tokens)}</Table.Td>
                    <Table.Td ta="right" className="i-number">{format.money(line.quota)}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </div>
        )}
        {lines.data?.length === 0 && <p className="i-soft" style={{ padding: '0 20px 8px' }}>{t('keyUsage.none')}</p>}
        {(lines.data?.length ?? 0) > most && <Group justify="center" p="md"><Button variant="default" onClick={() => setMost(most + SHOWN)}>{t('market.more')}</Button></Group>}
      </Panel>
    </Stack>
  );
}

export default function KeyUsage() {
  const { t } = useTranslation();
  const [typed, setTyped] = useState('');
  const [secret, setSecret] = useState('');
  return (
    <>
      <PageHead title={t('pages.keyUsage')} text={t('keyUsage.text')} />
      <Stack gap="md">
        <Panel>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              setSecret(typed.trim());
            }}
          >
            <Group align="flex-end" wrap="nowrap">
              <PasswordInput flex={1} label={t('keyUsage.key')} placeholder="sk-…" autoComplete="off" value={typed} onChange={(event) => setTyped(event.currentTarget.value)} />
              <Button type="submit" disabled={!typed.trim()}>{t('keyUsage.action')}</Button>
            </Group>
          </form>
        </Panel>
        {secret && <Shown key={secret} secret={secret} />}
      </Stack>
    </>
  );
}
