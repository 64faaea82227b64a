/** Language and colour scheme. */

import { ActionIcon, Menu, useMantineColorScheme } from '@mantine/core';
import { IconCheck, IconDeviceDesktop, IconLanguage, IconMoon, IconSun } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';

import { put } from '@/api/client';
import { useMaybeSelf } from '@/api/site';

import { languages, ownName, speak } from './language';

/** Speaks a language, here and in the account's settings. */
export function useSpeak(): (code: string) => void {
  const self = useMaybeSelf();
  return (code) => {
    void speak(code);
    if (self) void put('/api/user/self', { language: code }).catch(() => undefined); // a preference; this browser has it
  };
}

export function LanguageMenu() {
  const { t, i18n } = useTranslation();
  const choose = useSpeak();
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon aria-label={t('shell.language')}>
          <IconLanguage size={19} stroke={1.7} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {languages.map((code) => (
          <Menu.Item
            key={code}
            lang={code}
            onClick={() => choose(code)}
            rightSection={code === i18n.language ? <IconCheck size={14} /> : null}
          >
            {ownName(code)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

export const schemes = [
  { value: 'light', icon: IconSun },
  { value: 'dark', icon: IconMoon },
  { value: 'auto', icon: IconDeviceDesktop },
] as const;

export function SchemeMenu() {
  const { t } = useTranslation();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Now = schemes.find((scheme) => scheme.value === colorScheme)?.icon ?? IconSun;
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon aria-label={t('shell.scheme')}>
          <Now size={19} stroke={1.7} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {schemes.map(({ value, icon: Sign }) => (
          <Menu.Item
            key={value}
            leftSection={<Sign size={16} />}
            onClick={() => setColorScheme(value)}
            rightSection={value === colorScheme ? <IconCheck size={14} /> : null}
          >
            {t(`shell.schemes.${value}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
