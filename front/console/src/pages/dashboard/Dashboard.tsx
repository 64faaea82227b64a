/** The first page: balance, usage, and what the operator tells. */

import { Button, Group, SegmentedControl, Skeleton } from '@mantine/core';
import { IconActivity, IconArrowsExchange, IconCoins, IconKey, IconMessages, IconWallet } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';

import { ADMIN, useIs, useSelf } from '@/api/site';
import { useFormat } from '@/app/format';
import { useAddress } from '@/app/router';
import { Chart } from '@/parts/Chart';
import { Empty } from '@/parts/Empty';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { PageHead } from '@/parts/PageHead';
import { Panel } from '@/parts/Panel';
import { Stat, Stats } from '@/parts/Stat';

import classes from './dashboard.module.css';
import { Addresses, Announcements, Notice, Questions } from './Side';
import { DAY, flowQuery, hoursQuery, lines, type Metric, nowQuery, type Span, SPANS, startOf, type Total, totals } from './usage';

const METRICS: Metric[] = ['quota', 'token_used', 'count'];
const MOST = 6;

function Rank({ rows, write, empty }: { rows: Total[] | undefined; write: (row: Total) => string; empty: string }) {
  if (!rows) return <Skeleton h={160} />;
  if (rows.length === 0) return <p className="i-soft">{empty}</p>;
  const most = Math.max(...rows.map((row) => row.quota), 1);
  return (
    <ol className={classes.rank}>
      {rows.slice(0, MOST).map((row) => (
        <li key={row.name}>
          <div className={classes.rankHead}>
            <span className={classes.rankName} title={row.name}>{row.name || '—'}</span>
            <span className="i-number">{write(row)}</span>
          </div>
          <div className={classes.bar}><div style={{ width: `${Math.max(1, (100 * row.quota) / most)}%` }} /></div>
        </li>
      ))}
    </ol>
  );
}

function FirstSteps() {
  const { t } = useTranslation();
  return (
    <Panel title={t('dashboard.start')} text={t('dashboard.startText')}>
      <ol className={classes.steps}>
        <li>
          <strong>{t('dashboard.steps.key')}</strong>
          <p>{t('dashboard.steps.keyText')}</p>
          <Button component={Link} to="/keys?edit=new" size="xs" leftSection={<IconKey size={15} />}>{t('keys.create')}</Button>
        </li>
        <li>
          <strong>{t('dashboard.steps.try')}</strong>
          <p>{t('dashboard.steps.tryText')}</p>
          <Button component={Link} to="/playground" size="xs" variant="default" leftSection={<IconMessages size={15} />}>{t('pages.playground')}</Button>
        </li>
        <li>
          <strong>{t('dashboard.steps.prices')}</strong>
          <p>{t('dashboard.steps.pricesText')}</p>
          <Button component={Link} to="/market" size="xs" variant="default" leftSection={<IconCoins size={15} />}>{t('pages.market')}</Button>
        </li>
      </ol>
    </Panel>
  );
}

export default function Dashboard() {
  const { t } = useTranslation();
  const format = useFormat();
  const self = useSelf();
  const admin = useIs(ADMIN);
  const [place, go] = useAddress({ span: 'week', metric: 'quota', scope: 'own' });
  const span = (place.span in SPANS ? place.span : 'week') as Span;
  const metric = METRICS.find((name) => name === place.metric) ?? 'quota';
  const everybody = admin && place.scope === 'all';
  const hours = useQuery(hoursQuery(span, everybody));
  const flow = useQuery(flowQuery(span, everybody)).data;
  const now = useQuery(nowQuery(everybody)).data;

  const write = metric === 'quota' ? format.money : format.short;
  const drawn = useMemo(() => lines(hours.data ?? [], span, metric, t('dashboard.others')), [hours.data, span, metric, t]);
  const places = useMemo(() => {
    const tag = new Intl.DateTimeFormat(document.documentElement.lang, span === 'day' ? { hour: '2-digit', minute: '2-digit' } : { month: 'short', day: 'numeric' });
    return drawn.at.map((moment) => tag.format(moment * 1000));
  }, [drawn.at, span]);
  const today = startOf(Date.now() / 1000, DAY);
  const todays = totals((hours.data ?? []).filter((row) => row.created_at >= today), () => '')[0];
  const money = (row: Total) => `${format.money(row.quota)} · ${t('dashboard.requests', { count: row.count, n: format.short(row.count) })}`;
  const hello = t('dashboard.hello', { name: self.display_name || self.username });

  return (
    <>
      <PageHead
        title={hello}
        text={t('dashboard.text')}
        actions={admin && (
          <SegmentedControl
            size="sm"
            aria-label={t('logs.scope')}
            value={everybody ? 'all' : 'own'}
            onChange={(scope) => go({ scope })}
            data={[{ value: 'own', label: t('logs.scopes.own') }, { value: 'all', label: t('logs.scopes.all') }]}
          />
        )}
      />
      <div className={classes.stack}>
        <Stats>
          <Stat icon={IconWallet} name={t('shell.balance')} value={format.money(self.quota)} note={t('dashboard.usedInAll', { money: format.money(self.used_quota) })} />
          <Stat icon={IconCoins} name={t('dashboard.today')} loading={hours.isPending} value={format.money(todays?.quota ?? 0)} note={t('dashboard.tokens', { n: format.short(todays?.token_used ?? 0) })} />
          <Stat icon={IconArrowsExchange} name={t('dashboard.requestsToday')} loading={hours.isPending} value={format.short(todays?.count ?? 0)} note={t('dashboard.requestsInAll', { n: format.short(self.request_count) })} />
          <Stat icon={IconActivity} name={t('dashboard.lastMinute')} loading={!now} value={now ? format.number(now.rpm) : ''} note={now ? t('dashboard.tpm', { n: format.short(now.tpm) }) : ''} />
        </Stats>
        {self.request_count === 0 && !everybody && <FirstSteps />}
        <Panel
          title={t('dashboard.usage')}
          actions={
            <Group gap="xs">
              <SegmentedControl aria-label={t('dashboard.metric')} value={metric} onChange={(value) => go({ metric: value })} data={METRICS.map((name) => ({ value: name, label: t(`dashboard.metrics.${name}`) }))} />
              <SegmentedControl aria-label={t('logs.range')} value={span} onChange={(value) => go({ span: value })} data={(Object.keys(SPANS) as Span[]).map((name) => ({ value: name, label: t(`logs.ranges.${name}`) }))} />
            </Group>
          }
        >
          {hours.error ? (
            <ErrorPanel error={hours.error} retry={() => void hours.refetch()} />
          ) : hours.isPending ? (
            <Skeleton h={280} />
          ) : drawn.lines.length === 0 ? (
            <Empty title={t('dashboard.nothing')} text={t('dashboard.nothingText')} action={<Button component={Link} to="/playground" variant="light">{t('logs.try')}</Button>} />
          ) : (
            <Chart label={t('dashboard.usage')} places={places} lines={drawn.lines} kind="bar" write={write} height={280} />
          )}
        </Panel>
        <div className={classes.two}>
          <Panel title={t('dashboard.byModel')}><Rank rows={flow && totals(flow, (row) => row.model_name)} write={money} empty={t('dashboard.nothing')} /></Panel>
          <Panel title={t(everybody ? 'dashboard.byUser' : 'dashboard.byKey')}>
            <Rank rows={flow && totals(flow, (row) => (everybody ? row.username : row.token_name) ?? '')} write={money} empty={t('dashboard.nothing')} />
          </Panel>
          {everybody && (
            <>
              <Panel title={t('dashboard.byChannel')}>
                <Rank rows={flow && totals(flow, (row) => row.channel_name || t('logs.channel', { id: row.channel_id ?? 0 }))} write={money} empty={t('dashboard.nothing')} />
              </Panel>
              <Panel title={t('dashboard.byGroup')}><Rank rows={flow && totals(flow, (row) => row.use_group)} write={money} empty={t('dashboard.nothing')} /></Panel>
            </>
          )}
          <Notice />
          <Announcements />
          <Addresses />
          <Questions />
        </div>
      </div>
    </>
  );
}
