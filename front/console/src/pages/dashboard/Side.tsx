/** What the operator tells: notice, announcements, addresses, questions. */

import { Accordion } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { get } from '@/api/client';
import { useSite } from '@/api/site';
import { useFormat } from '@/app/format';
import { useBase } from '@/pages/keys/UseKey';
import { CopyButton } from '@/parts/CopyButton';
import { Markdown } from '@/parts/Markdown';
import { Panel } from '@/parts/Panel';

import classes from './dashboard.module.css';

export function Notice() {
  const { t } = useTranslation();
  const notice = useQuery({ queryKey: ['notice'], queryFn: () => get<string>('/api/notice'), staleTime: 300_000 }).data;
  if (!notice) return null;
  return <Panel title={t('dashboard.notice')}><Markdown text={notice} /></Panel>;
}

export function Announcements() {
  const { t } = useTranslation();
  const format = useFormat();
  const rows = useSite().announcements ?? [];
  if (rows.length === 0) return null;
  return (
    <Panel title={t('dashboard.announcements')}>
      <ul className={classes.news}>
        {rows.slice(0, 10).map((row, place) => {
          const at = Math.floor(new Date(row.publishDate ?? '').getTime() / 1000);
          return (
            <li key={place} data-type={row.type}>
              {at > 0 && <div className={classes.when}>{format.day(at)}</div>}
              <Markdown text={row.content} />
              {row.extra && <div className={classes.when}>{row.extra}</div>}
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}

export function Addresses() {
  const { t } = useTranslation();
  const base = useBase();
  const rows = useSite().api_info ?? [];
  const all = [{ url: base, description: t('dashboard.thisGateway') }, ...rows];
  return (
    <Panel title={t('dashboard.addresses')}>
      <ul className={classes.addresses}>
        {all.map((row, place) => (
          <li key={place}>
            <div>
              <div className="i-code">{row.url}</div>
              <div className={classes.when}>{['route' in row ? row.route : '', row.description].filter(Boolean).join(' · ')}</div>
            </div>
            <CopyButton value={row.url} />
          </li>
        ))}
      </ul>
    </Panel>
  );
}

export function Questions() {
  const { t } = useTranslation();
  const rows = useSite().faq ?? [];
  if (rows.length === 0) return null;
  return (
    <Panel title={t('dashboard.questions')}>
      <Accordion variant="default">
        {rows.map((row, place) => (
          <Accordion.Item key={place} value={String(place)}>
            <Accordion.Control>{row.question}</Accordion.Control>
            <Accordion.Panel><Markdown text={row.answer} /></Accordion.Panel>
          </Accordion.Item>
        ))}
      </Accordion>
    </Panel>
  );
}
