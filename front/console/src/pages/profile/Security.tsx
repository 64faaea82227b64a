/** Second factor, passkey, sessions, access token, the end of the account. */

import { Button, Group, Modal, Stack, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { encode } from 'uqr';

import { get, post, remove, setAccountId } from '@/api/client';
import type { BackupCodes, TwoFactor, TwoFactorSetup } from '@/api/payloads';
import { cache, selfQuery, useSelf, useSite } from '@/api/site';
import { CodeView } from '@/parts/CodeView';
import { confirm } from '@/parts/confirm';
import { CopyButton } from '@/parts/CopyButton';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { useServerForm } from '@/parts/form';
import { Panel } from '@/parts/Panel';
import { Tag } from '@/parts/Tag';
import { told } from '@/parts/told';
import { verified } from '@/parts/verify';

import classes from './profile.module.css';

/** A QR code, drawn as one path. */
function Qr({ text, label }: { text: string; label: string }) {
  const { data, size } = encode(text, { border: 0 });
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ''))).join('');
  return <svg className={classes.qr} viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label}><path d={path} fill="#000" /></svg>;
}

function Codes({ codes }: { codes: string[] }) {
  const { t } = useTranslation();
  return (
    <div>
      <Group gap={4}><strong>{t('profile.backupCodes')}</strong><CopyButton value={codes.join('\n')} size="sm" /></Group>
      <p className="i-soft">{t('profile.backupText')}</p>
      <ul className={classes.codes}>{codes.map((code) => <li key={code} className="i-code">{code}</li>)}</ul>
    </div>
  );
}

type Step = { what: 'enable'; setup: TwoFactorSetup } | { what: 'disable' } | { what: 'renew'; codes?: string[] };

function TwoFactorDialog({ step, onClose, onCodes }: { step: Step; onClose: () => void; onCodes: (codes: string[]) => void }) {
  const { t } = useTranslation();
  const { form, error, busy, submit } = useServerForm({ initialValues: { code: '' } }, async ({ code }) => {
    const body = { code: code.trim() };
    if (step.what === 'renew') onCodes((await post<BackupCodes>('/api/user/2fa/backup_codes', body)).backup_codes);
    else {
      await post(`/api/user/2fa/${step.what}`, body);
      told.good(t('profile.saved'));
      onClose();
    }
    await cache.invalidateQueries({ queryKey: ['two-factor'] });
  });
  if (step.what === 'renew' && step.codes) return <Codes codes={step.codes} />;
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {step.what === 'enable' && (
          <>
            <span>{t('profile.scan')}</span>
            <Qr text={step.setup.qr_code_data} label={t('profile.qr')} />
            <CodeView text={step.setup.secret} label={t('profile.secret')} />
            <Codes codes={step.setup.backup_codes} />
          </>
        )}
        {error !== null && <ErrorPanel error={error} />}
        <TextInput label={t('profile.enterCode')} autoComplete="one-time-code" data-autofocus required {...form.getInputProps('code')} />
        <Group justify="flex-end">
          <Button type="submit" loading={busy} color={step.what === 'disable' ? 'red' : undefined}>{t(`profile.twoFactor.${step.what}`)}</Button>
        </Group>
      </Stack>
    </form>
  );
}

export function SecondFactor() {
  const { t } = useTranslation();
  const state = useQuery({ queryKey: ['two-factor'], queryFn: () => get<TwoFactor>('/api/user/2fa/status') }).data;
  const [step, setStep] = useState<Step | null>(null);
  const begin = () => post<TwoFactorSetup>('/api/user/2fa/setup').then((setup) => setStep({ what: 'enable', setup }), told.bad);
  return (
    <Panel title={<Group gap={8}>{t('profile.twoFactor.title')} {state && <Tag tone={state.enabled ? 'good' : 'plain'}>{t(state.enabled ? 'profile.on' : 'profile.off')}</Tag>}</Group>} text={t('profile.twoFactor.text')}>
      <Group gap="xs">
        {state && !state.enabled && <Button variant="light" onClick={() => void begin()}>{t('profile.twoFactor.enable')}</Button>}
        {state?.enabled && (
          <>
            <Button variant="default" onClick={() => setStep({ what: 'renew' })}>{t('profile.twoFactor.renew')}</Button>
            <Button variant="light" color="red" onClick={() => setStep({ what: 'disable' })}>{t('profile.twoFactor.disable')}</Button>
            <span className="i-soft">{t('profile.codesLeft', { count: state.backup_codes_remaining ?? 0 })}</span>
          </>
        )}
      </Group>
      <Modal opened={step !== null} onClose={() => setStep(null)} title={t('profile.twoFactor.title')} closeButtonProps={{ 'aria-label': t('common.close') }}>
        {step && <TwoFactorDialog step={step} onClose={() => setStep(null)} onCodes={(codes) => setStep({ what: 'renew', codes })} />}
      </Modal>
    </Panel>
  );
}

interface PasskeyState {
  enabled: boolean;
  last_used_at?: string | number | null;
}

export function Passkey() {
  const { t } = useTranslation();
  const site = useSite();
  const query = useQuery({ queryKey: ['passkey'], queryFn: () => get<PasskeyState>('/api/user/passkey'), enabled: Boolean(site.passkey_login) });
  if (!site.passkey_login) return null;
  const again = () => cache.invalidateQueries({ queryKey: ['passkey'] });
  const add = async () => {
    try {
      await verified(async () => {
        const { options } = await post<{ options: { publicKey?: PublicKeyCredentialCreationOptionsJSON } }>('/api/user/passkey/register/begin');
        const wanted = (options.publicKey ?? options) as PublicKeyCredentialCreationOptionsJSON;
        const made = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(wanted) });
        await post('/api/user/passkey/register/finish', (made as PublicKeyCredential).toJSON());
      });
      told.good(t('profile.saved'));
      await again();
    } catch (problem) {
      told.bad(problem);
    }
  };
  const drop = async () => {
    if (!(await confirm({ title: t('profile.passkey.dropTitle'), text: t('profile.passkey.dropText'), action: t('profile.passkey.drop'), danger: true }))) return;
    await verified(() => remove('/api/user/passkey')).then(again, told.bad);
  };
  return (
    <Panel title={<Group gap={8}>{t('profile.passkey.title')} {query.data && <Tag tone={query.data.enabled ? 'good' : 'plain'}>{t(query.data.enabled ? 'profile.on' : 'profile.off')}</Tag>}</Group>} text={t('profile.passkey.text')}>
      <Group gap="xs">
        <Button variant="light" onClick={() => void add()}>{t(query.data?.enabled ? 'profile.passkey.replace' : 'profile.passkey.add')}</Button>
        {query.data?.enabled && <Button variant="light" color="red" onClick={() => void drop()}>{t('profile.passkey.drop')}</Button>}
      </Group>
    </Panel>
  );
}

export function Access() {
  const { t } = useTranslation();
  const self = useSelf();
  const navigate = useNavigate();
  const [token, setToken] = useState('');
  const gone = async () => {
    setAccountId(0);
    await navigate({ to: '/login' });
    cache.setQueryData(selfQuery.queryKey, null);
  };
  const make = async () => {
    if (!(await confirm({ title: t('profile.token.title'), text: t('profile.token.sure'), action: t('profile.token.make') }))) return;
    await get<string>('/api/user/token').then(setToken, told.bad);
  };
  const everywhere = async () => {
    if (!(await confirm({ title: t('profile.sessions.title'), text: t('profile.sessions.sure'), action: t('profile.sessions.action') }))) return;
    await post('/api/user/logout').then(gone, told.bad);
  };
  const end = async () => {
    const sure = await confirm({ title: t('profile.end.title'), text: t('profile.end.sure'), action: t('profile.end.action'), danger: true, typed: self.username });
    if (sure) await remove('/api/user/self').then(gone, told.bad);
  };
  return (
    <Panel title={t('profile.access')}>
      <div className={classes.row}>
        <div><strong>{t('profile.token.title')}</strong><p>{t('profile.token.text')}</p></div>
        <Button variant="default" onClick={() => void make()}>{t('profile.token.make')}</Button>
      </div>
      {token && <CodeView text={token} label={t('profile.token.title')} />}
      <div className={classes.row}>
        <div><strong>{t('profile.sessions.title')}</strong><p>{t('profile.sessions.text')}</p></div>
        <Button variant="default" onClick={() => void everywhere()}>{t('profile.sessions.action')}</Button>
      </div>
      {self.role < 100 && (
        <div className={classes.row}>
          <div><strong>{t('profile.end.title')}</strong><p>{t('profile.end.text')}</p></div>
          <Button variant="light" color="red" onClick={() => void end()}>{t('profile.end.action')}</Button>
        </div>
      )}
    </Panel>
  );
}
