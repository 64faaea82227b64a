/** Models that can be used, and what they cost in each group. */

import { Button, Drawer, Select, Skeleton, Stack, Table, TextInput } from '@mantine/core';
import { IconBuildingStore, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useDeferredValue, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';

import type { Price, Pricing } from '@/api/payloads';
import { useMaybeSelf, useSite } from '@/api/site';
import { useFormat } from '@/app/format';
import { useAddress } from '@/app/router';
import { CopyButton } from '@/parts/CopyButton';
import { Empty } from '@/parts/Empty';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { Facts } from '@/parts/Facts';
import { PageHead } from '@/parts/PageHead';
import { Tag } from '@/parts/Tag';

import classes from './market.module.css';
import { costs, groupsOf, type Kind, PER_CALL, pricingQuery } from './prices';

const SHOWN = 60;
const ON_CARD: Kind[] = ['input', 'output', 'cached', 'call'];

/** The group whose prices are shown where none is chosen: one's own, else the first that serves the model. */
function shownGroup(price: Price, pricing: Pricing, chosen: string, own: string): string {
  const groups = groupsOf(price, pricing);
  return [chosen, own].find((name) => name && groups.includes(name)) ?? groups[0] ?? '';
}

function Detail({ price, pricing }: { price: Price; pricing: Pricing }) {
  const { t } = useTranslation();
  const format = useFormat();
  const unit = useSite().quota_per_unit;
  const signedIn = useMaybeSelf() !== null;
  const groups = groupsOf(price, pricing);
  const kinds = costs(price, 1, unit).map(([kind]) => kind);
  return (
    <Stack gap="lg">
      {price.description && <p>{price.description}</p>}
      <Facts
        rows={[
          [t('market.name'), <span key="n" className="i-code">{price.model_name} <CopyButton value={price.model_name} size="sm" /></span>],
          [t('market.billing'), t(price.billing_mode ? 'market.tiered' : price.quota_type === PER_CALL ? 'market.perCall' : 'market.perToken')],
          price.supported_endpoint_types.length > 0 && [
            t('market.endpoints'),
            <div key="e">{price.supported_endpoint_types.map((name) => <div key={name} className="i-code">{`${pricing.supported_endpoint[name]?.method ?? ''} ${pricing.supported_endpoint[name]?.path ?? name}`}</div>)}</div>,
          ],
        ]}
      />
      <Table className={classes.table}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('market.group')}</Table.Th>
            {kinds.map((kind) => <Table.Th key={kind}>{t(`market.kinds.${kind}`)}</Table.Th>)}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {groups.map((name) => (
            <Table.Tr key={name}>
              <Table.Td>{name} <span className="i-soft">×{format.number(pricing.group_ratio[name] ?? 1)}</span></Table.Td>
              {costs(price, pricing.group_ratio[name] ?? 1, unit).map(([kind, units]) => <Table.Td key={kind}>{format.money(units)}</Table.Td>)}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <p className="i-soft">{t(price.quota_type === PER_CALL ? 'market.eachCall' : 'market.eachMillion')}</p>
      {price.billing_expr && <p className="i-code">{price.billing_expr}</p>}
      {signedIn && <Button component={Link} to={`/playground?model=${encodeURIComponent(price.model_name)}`}>{t('market.try')}</Button>}
    </Stack>
  );
}

export default function Market() {
  const { t } = useTranslation();
  const format = useFormat();
  const unit = useSite().quota_per_unit;
  const own = useMaybeSelf()?.group ?? '';
  const asked = useQuery(pricingQuery);
  const [place, go] = useAddress({ q: '', group: '', endpoint: '', billing: '', sort: 'name', model: '' });
  const [most, setMost] = useState(SHOWN);
  const words = useDeferredValue(place.q.toLowerCase());
  const pricing = asked.data;
  const found = useMemo(() => {
    const rows = (pricing?.data ?? []).filter(
      (row) =>
        (!words || `${row.model_name} ${row.tags ?? ''} ${row.description ?? ''}`.toLowerCase().includes(words)) &&
        (!place.group || (pricing && groupsOf(row, pricing).includes(place.group))) &&
        (!place.endpoint || row.supported_endpoint_types.includes(place.endpoint)) &&
        (!place.billing || String(row.quota_type) === place.billing),
    );
    const dear = (row: Price) => (row.quota_type === PER_CALL ? row.model_price * unit : row.model_ratio);
    return rows.sort((a, b) =>
      place.sort === 'cheap' ? dear(a) - dear(b) : place.sort === 'dear' ? dear(b) - dear(a) : a.model_name.localeCompare(b.model_name),
    );
  }, [pricing, words, place.group, place.endpoint, place.billing, place.sort, unit]);
  const open = pricing?.data.find((row) => row.model_name === place.model);
  const filtered = Boolean(place.q || place.group || place.endpoint || place.billing);

  return (
    <>
      <PageHead title={t('pages.market')} text={t('market.text')} />
      <div className={classes.bar}>
        <TextInput leftSection={<IconSearch size={16} />} placeholder={t('market.search')} aria-label={t('market.search')} value={place.q} onChange={(event) => go({ q: event.currentTarget.value })} w={260} maw="100%" />
        <Select w={150} clearable placeholder={t('market.allGroups')} aria-label={t('market.group')} value={place.group || null} onChange={(group) => go({ group: group ?? '' })} data={Object.keys(pricing?.group_ratio ?? {})} />
        <Select w={170} clearable placeholder={t('market.allEndpoints')} aria-label={t('market.endpoints')} value={place.endpoint || null} onChange={(endpoint) => go({ endpoint: endpoint ?? '' })} data={Object.keys(pricing?.supported_endpoint ?? {})} />
        <Select w={150} clearable placeholder={t('market.allBilling')} aria-label={t('market.billing')} value={place.billing || null} onChange={(billing) => go({ billing: billing ?? '' })} data={[{ value: '0', label: t('market.perToken') }, { value: '1', label: t('market.perCall') }]} />
        <Select w={160} aria-label={t('market.sort')} allowDeselect={false} value={place.sort} onChange={(sort) => go({ sort: sort ?? 'name' })} data={(['name', 'cheap', 'dear'] as const).map((name) => ({ value: name, label: t(`market.sorts.${name}`) }))} />
      </div>
      {asked.error && !pricing && <ErrorPanel error={asked.error} retry={() => void asked.refetch()} />}
      {asked.isPending && <div className={classes.grid}>{Array.from({ length: 9 }, (_, at) => <Skeleton key={at} h={150} radius="lg" />)}</div>}
      {pricing && found.length === 0 && (
        <Empty
          icon={IconBuildingStore}
          title={t(filtered ? 'table.noMatch' : 'market.empty')}
          text={t(filtered ? 'table.noMatchText' : 'market.emptyText')}
          action={filtered && <Button variant="default" onClick={() => go({ q: '', group: '', endpoint: '', billing: '' })}>{t('table.clear')}</Button>}
        />
      )}
      {pricing && (
        <ul className={classes.grid} aria-label={t('pages.market')}>
          {found.slice(0, most).map((row) => {
            const group = shownGroup(row, pricing, place.group, own);
            const vendor = pricing.vendors.find((held) => held.id === row.vendor_id)?.name;
            return (
              <li key={row.model_name} className={classes.card}>
                <div className={classes.head}>
                  <div>
                    <h2 className={classes.name}>{row.model_name}</h2>
                    {vendor && <div className={classes.vendor}>{vendor}</div>}
                  </div>
                  <CopyButton value={row.model_name} size="sm" label={t('market.copy', { name: row.model_name })} />
                </div>
                <dl className={classes.prices}>
                  {costs(row, pricing.group_ratio[group] ?? 1, unit)
                    .filter(([kind]) => ON_CARD.includes(kind))
                    .map(([kind, units]) => (
                      <div key={kind}>
                        <dt>{t(`market.kinds.${kind}`)}</dt>
                        <dd>{format.money(units)}</dd>
                      </div>
                    ))}
                </dl>
                <div className={classes.foot}>
                  <div className={classes.tags}>
                    {row.billing_mode && <Tag tone="warn">{t('market.tiered')}</Tag>}
                    {row.supported_endpoint_types.slice(0, 2).map((name) => <Tag key={name}>{name}</Tag>)}
                  </div>
                  <Button size="compact-sm" variant="subtle" onClick={() => go({ model: row.model_name })} aria-label={t('market.detailsOf', { name: row.model_name })}>{t('market.details')}</Button>
                </div>
              </li>
            );
          })}
        </ul>
      )}
      {found.length > 0 && (
        <div className={classes.more}>
          <span>{t('market.shown', { shown: format.number(Math.min(most, found.length)), total: format.number(found.length) })} · {t('market.eachMillion')}</span>
          {found.length > most && <Button variant="default" onClick={() => setMost(most + SHOWN)}>{t('market.more')}</Button>}
        </div>
      )}
      <Drawer opened={open !== undefined} onClose={() => go({ model: '' })} title={open?.model_name} closeButtonProps={{ 'aria-label': t('common.close') }}>
        {open && pricing && <Detail price={open} pricing={pricing} />}
      </Drawer>
    </>
  );
}
