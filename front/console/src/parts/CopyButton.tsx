/** Copies a text, or one that has to be fetched first. */

import { ActionIcon, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { told } from './told';

/** Puts text on the clipboard; also where the page is not secure and browsers offer no clipboard. */
export async function copy(text: string): Promise<void> {
  if (window.isSecureContext) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'i-hidden';
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

interface Props {
  value: string | (() => Promise<string>);
  /** What is copied, for those who do not see the icon. */
  label?: string;
  size?: 'sm' | 'md' | 'lg';
}

export function CopyButton({ value, label, size = 'md' }: Props) {
  const { t } = useTranslation();
  const [state, setState] = useState<'' | 'busy' | 'done'>('');
  useEffect(() => {
    if (state !== 'done') return;
    const timer = setTimeout(() => setState(''), 1600);
    return () => clearTimeout(timer);
  }, [state]);
  const act = async () => {
    setState('busy');
    try {
      await copy(typeof value === 'string' ? value : await value());
      setState('done');
    } catch (problem) {
      setState('');
      told.bad(problem);
    }
  };
  const text = state === 'done' ? t('common.copied') : (label ?? t('common.copy'));
  return (
    <Tooltip label={text}>
      <ActionIcon size={size} aria-label={text} loading={state === 'busy'} onClick={() => void act()}>
        {state === 'done' ? <IconCheck size={16} /> : <IconCopy size={16} stroke={1.7} />}
      </ActionIcon>
    </Tooltip>
  );
}
