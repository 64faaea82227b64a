/** Proves once more who is there, where the server asks for it: `await verified(() => post(...))`. */

import { Button, Group, Modal, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { ApiError, get, post } from '@/api/client';
import type { TwoFactor, Verified } from '@/api/payloads';

import { ErrorPanel } from './ErrorPanel';

let ask: (answer: (yes: boolean) => void) => void = () => {};

/** Does the work; where it wants a proof, asks for it and does the work again. Raises ApiError. */
export async function verified<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (problem) {
    if (!(problem instanceof ApiError) || !problem.code.startsWith('VERIFICATION_')) throw problem;
    if (!(await new Promise<boolean>((answer) => ask(answer)))) throw problem;
    return work();
  }
}

export function VerifyHost() {
  const { t } = useTranslation();
  const [answer, setAnswer] = useState<((yes: boolean) => void) | null>(null);
  const [method, setMethod] = useState<'2fa' | 'password'>('password');
  const [code, setCode] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    ask = (given) => {
      setCode('');
      setError(null);
      setAnswer(() => given);
      get<TwoFactor>('/api/user/2fa/status')
        .then((state) => setMethod(state.enabled ? '2fa' : 'password'))
        .catch(setError);
    };
  }, []);
  const end = (yes: boolean) => {
    answer?.(yes);
    setAnswer(null);
  };
  const send = async () => {
    setBusy(true);
    setError(null);
    try {
      await post<Verified>('/api/verify', { method, code });
      end(true);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const field = { value: code, onChange: (event: React.ChangeEvent<HTMLInputElement>) => setCode(event.currentTarget.value), 'data-autofocus': true, required: true };
  return (
    <Modal opened={answer !== null} onClose={() => end(false)} title={t('verify.title')} closeButtonProps={{ 'aria-label': t('common.close') }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <Stack gap="md">
          <span className="i-soft">{t('verify.text')}</span>
          {error !== null && <ErrorPanel error={error} />}
          {method === '2fa' ? <TextInput label={t('login.code')} autoComplete="one-time-code" {...field} /> : <PasswordInput label={t('entry.password')} autoComplete="current-password" {...field} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => end(false)}>{t('common.cancel')}</Button>
            <Button type="submit" loading={busy} disabled={!code}>{t('verify.action')}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
