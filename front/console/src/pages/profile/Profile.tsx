/** One's own account: names, ways in, second factor, sessions, reminders, invitations. */

import { Button, Group, Stack } from '@mantine/core';
import { useTranslation } from 'react-i18next';

import { post } from '@/api/client';
import { cache, useSelf, useSite } from '@/api/site';
import { useFormat } from '@/app/format';
import { leaveFor, ways } from '@/pages/entry/ways';
import { useBase } from '@/pages/keys/UseKey';
import { CopyButton } from '@/parts/CopyButton';
import { Facts } from '@/parts/Facts';
import { PageHead } from '@/parts/PageHead';
import { Panel } from '@/parts/Panel';
import { Tag } from '@/parts/Tag';
import { told } from '@/parts/told';

import { Email, Names } from './Account';
import classes from './profile.module.css';
import { Reminders } from './Reminders';
import { Access, Passkey, SecondFactor } from './Security';

/** Members of Self that hold a provider's id. */
const IDS: Record<string, 'github_id' | 'discord_id' | 'oidc_id' | 'linux_do_id'> = { github: 'github_id', discord: 'discord_id', oidc: 'oidc_id', linuxdo: 'linux_do_id' };

function Bindings() {
  const { t } = useTranslation();
  const site = useSite();
  const self = useSelf();
  const all = ways(site);
  if (all.length === 0) return null;
  return (
    <Panel title={t('profile.bindings')} text={t('profile.bindingsText')}>
      {all.map((way) => {
        const member = IDS[way.slug];
        const bound = member ? self[member] : '';
        return (
          <div key={way.slug} className={classes.row}>
            <strong>{way.name}</strong>
            {bound ? <Tag tone="good">{t('profile.bound')}</Tag> : <Button size="xs" variant="default" onClick={() => void leaveFor(way, site).catch(told.bad)}>{t('profile.bind')}</Button>}
          </div>
        );
      })}
    </Panel>
  );
}

function Invitations() {
  const { t } = useTranslation();
  const format = useFormat();
  const site = useSite();
  const self = useSelf();
  const base = useBase();
  if (!site.register_enabled) return null;
  const link = `${base}/register?aff=${self.aff_code}`;
  const move = async () => {
    try {
      await post('/api/user/aff_transfer', { quota: self.aff_quota });
      await cache.invalidateQueries({ queryKey: ['self'] });
      told.good(t('profile.saved'));
    } catch (problem) {
      told.bad(problem);
    }
  };
  return (
    <Panel title={t('profile.invitations.title')} text={t('profile.invitations.text')}>
      <Stack gap="md">
        <Facts
          rows={[
            [t('profile.invitations.link'), <Group key="l" gap={4} wrap="nowrap"><span className="i-code">{link}</span><CopyButton value={link} /></Group>],
            [t('profile.invitations.invited'), format.number(self.aff_count)],
            [t('profile.invitations.earned'), format.money(self.aff_history_quota)],
            [t('profile.invitations.open'), format.money(self.aff_quota)],
          ]}
        />
        {self.aff_quota >= site.quota_per_unit && <Group><Button variant="light" onClick={() => void move()}>{t('profile.invitations.move')}</Button></Group>}
      </Stack>
    </Panel>
  );
}

export default function Profile() {
  const { t } = useTranslation();
  const self = useSelf();
  return (
    <>
      <PageHead title={t('pages.profile')} text={t('profile.text', { name: self.username, group: self.group })} />
      <div className={classes.grid}>
        <div className={classes.column}>
          <Names />
          <Email />
          <Bindings />
          <Invitations />
        </div>
        <div className={classes.column}>
          <SecondFactor />
          <Passkey />
          <Access />
          <Reminders />
        </div>
      </div>
    </>
  );
}
