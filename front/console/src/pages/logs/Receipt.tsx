/** A request's receipt: what it asked, what it cost and why, where it went. */

import { Alert, Stack, Table } from '@mantine/core';
import { useTranslation } from 'react-i18next';

import type { LogLine, ReceiptLine } from '@/api/payloads';
import { useIs, ADMIN } from '@/api/site';
import { useFormat } from '@/app/format';
import { CodeView } from '@/parts/CodeView';
import { CopyButton } from '@/parts/CopyButton';
import { Facts } from '@/parts/Facts';
import { Tag } from '@/parts/Tag';
import { Time } from '@/parts/Time';

import classes from './logs.module.css';
import { ERROR, other } from './queries';

const ITEMS = ['input', 'output', 'cached', 'cache_write', 'cache_write_1h', 'image', 'audio', 'audio_in', 'audio_out', 'per_call'] as const;
const ENDINGS = ['COMPLETE', 'CLIENT_CLOSED', 'VENDOR_BROKE', 'SHUTDOWN', 'QUOTA', 'FAILED', 'RECOVERED'] as const;

/** A price line's name; those of expressions and tools tell their own. */
function useItem(): (line: ReceiptLine) => string {
  const { t } = useTranslation();
  return ({ item }) => {
    const known = ITEMS.find((name) => name === item);
    return known ? t(`logs.items.${known}`) : item;
  };
}

export function TypeTag({ type }: { type: number }) {
  const { t } = useTranslation();
  const tone = ({ 1: 'good', 2: 'accent', 3: 'plain', 4: 'plain', 5: 'bad', 6: 'warn', 7: 'plain' } as const)[type] ?? 'plain';
  return <Tag tone={tone}>{t(`logs.types.${type as 1}`)}</Tag>;
}

export function Receipt({ line }: { line: LogLine }) {
  const { t } = useTranslation();
  const format = useFormat();
  const admin = useIs(ADMIN);
  const item = useItem();
  const beside = other(line);
  const receipt = beside?.receipt;
  const ending = ENDINGS.find((name) => receipt?.ending === `ENDING_${name}`);
  return (
    <Stack gap="lg">
      {line.type === ERROR && (
        <Alert color="red" variant="light" title={t('logs.failed')}>
          {line.content}
          {beside?.error_code && <div className="i-code">{beside.error_code} · {beside.status_code}</div>}
        </Alert>
      )}
      {receipt && (
        <div className={classes.sum}>
          <span className="i-soft">{t('logs.cost')}</span>
          <strong>{format.money(receipt.quota)}</strong>
          <span className="i-soft">{t('logs.units', { units: format.number(receipt.quota) })}</span>
        </div>
      )}
      {receipt && receipt.lines.length > 0 && (
        <section aria-label={t('logs.lines')}>
          <Table className={classes.lines}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('logs.item')}</Table.Th>
                <Table.Th>{t('logs.quantity')}</Table.Th>
                <Table.Th>{t('logs.ratio')}</Table.Th>
                <Table.Th>{t('logs.amount')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {receipt.lines.map((row) => (
                <Table.Tr key={row.item}>
                  <Table.Td>{item(row)}<div className={classes.source}>{row.source}</div></Table.Td>
                  <Table.Td>{format.number(Number(row.quantity))}</Table.Td>
                  <Table.Td>{row.ratio ? `×${format.number(Number(row.ratio))}` : '—'}</Table.Td>
                  <Table.Td>{row.amount ? format.number(Number(row.amount)) : '—'}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
          {receipt.formula && <p className={classes.formula}>{receipt.formula}</p>}
        </section>
      )}
      <Facts
        rows={[
          [t('logs.columns.time'), <Time key="t" at={line.created_at} />],
          [t('logs.columns.type'), <TypeTag key="y" type={line.type} />],
          line.model_name !== '' && [t('logs.columns.model'), <span key="m">{line.model_name}{beside?.upstream_model_name && <span className="i-soft"> → {beside.upstream_model_name}</span>}</span>],
          line.token_name !== '' && [t('logs.columns.key'), line.token_name],
          admin && line.username !== '' && [t('logs.columns.user'), line.username],
          line.group !== '' && [t('logs.columns.group'), `${line.group}${beside ? ` · ×${format.number(beside.group_ratio)}` : ''}`],
          beside && [t('logs.path'), <span key="p" className="i-code">{beside.request_path}</span>],
          beside && [t('logs.columns.tokens'), t('logs.inOut', { input: format.number(line.prompt_tokens), output: format.number(line.completion_tokens) })],
          beside && beside.cache_tokens > 0 && [t('logs.cached'), format.number(beside.cache_tokens)],
          beside && [t('logs.columns.took'), t('logs.tookText', { seconds: format.number(line.use_time), first: format.number(beside.frt) })],
          ending && ending !== 'COMPLETE' && [t('logs.ending'), <Tag key="e" tone="warn">{t(`logs.endings.${ending}`)}</Tag>],
          receipt && receipt.unbilled > 0 && [t('logs.unbilled'), format.money(receipt.unbilled)],
          receipt && receipt.dropped.length > 0 && [t('logs.dropped'), receipt.dropped.join(', ')],
          line.ip !== '' && [t('logs.columns.ip'), <span key="i" className="i-code">{line.ip}</span>],
          line.request_id !== '' && [t('errors.requestId'), <span key="r" className="i-code">{line.request_id} <CopyButton value={line.request_id} size="sm" label={t('errors.copyId')} /></span>],
          !receipt && line.content !== '' && [t('logs.content'), line.content],
        ]}
      />
      {receipt?.attempts && receipt.attempts.length > 0 && (
        <section>
          <h3 className={classes.h3}>{t('logs.attempts')}</h3>
          <ol className={classes.attempts}>
            {receipt.attempts.map((attempt, place) => (
              <li key={place}>
                <Tag tone={attempt.status >= 200 && attempt.status < 300 ? 'good' : 'bad'}>{attempt.status || attempt.reason || '—'}</Tag>
                <span>{t('logs.channel', { id: attempt.channel })} · {attempt.model}</span>
                <span className="i-soft">{t(attempt.native ? 'logs.native' : 'logs.translated')}{attempt.reason && ` · ${attempt.reason}`}</span>
              </li>
            ))}
          </ol>
        </section>
      )}
      <details className={classes.raw}>
        <summary>{t('logs.raw')}</summary>
        <CodeView label={t('logs.raw')} text={JSON.stringify({ ...line, other: JSON.parse(line.other || 'null') }, null, 2)} />
      </details>
    </Stack>
  );
}
