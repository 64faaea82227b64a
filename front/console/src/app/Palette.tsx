/** The command palette: pages, and what can be done from anywhere. */

import { useMantineColorScheme } from '@mantine/core';
import { Spotlight, type SpotlightActionData, type SpotlightActionGroupData } from '@mantine/spotlight';
import { IconLanguage, IconLogout, IconPlus, IconSearch } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { useSelf } from '@/api/site';

import { languages, ownName } from './language';
import { pages } from './pages';
import { schemes, useSpeak } from './Preferences';
import { useSignOut } from './Shell';

export function Palette() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const speak = useSpeak();
  const signOut = useSignOut();
  const { setColorScheme } = useMantineColorScheme();
  const role = useSelf().role;

  const go: SpotlightActionData[] = pages
    .filter((page) => page.section && page.level <= role)
    .map((page) => ({
      id: page.path,
      label: t(`pages.${page.name}` as 'pages.dashboard'),
      keywords: [page.name, page.path],
      leftSection: page.icon ? <page.icon size={18} stroke={1.7} /> : null,
      onClick: () => void navigate({ to: page.path }),
    }));
  const act: SpotlightActionData[] = [
    {
      id: 'new-key',
      label: t('keys.create'),
      leftSection: <IconPlus size={18} stroke={1.7} />,
      onClick: () => void navigate({ to: '/keys', search: { edit: 'new' } as never }),
    },
    ...languages.map((code) => ({
      id: `language-${code}`,
      label: `${t('shell.language')}: ${ownName(code)}`,
      leftSection: <IconLanguage size={18} stroke={1.7} />,
      onClick: () => speak(code),
    })),
    ...schemes.map(({ value, icon: Sign }) => ({
      id: `scheme-${value}`,
      label: `${t('shell.scheme')}: ${t(`shell.schemes.${value}`)}`,
      leftSection: <Sign size={18} stroke={1.7} />,
      onClick: () => setColorScheme(value),
    })),
    { id: 'sign-out', label: t('shell.signOut'), leftSection: <IconLogout size={18} stroke={1.7} />, onClick: () => void signOut() },
  ];
  const groups: SpotlightActionGroupData[] = [
    { group: t('shell.go'), actions: go },
    { group: t('shell.do'), actions: act },
  ];
  return (
    <Spotlight
      actions={groups}
      shortcut="mod + K"
      nothingFound={t('shell.nothingFound')}
      highlightQuery
      scrollable
      maxHeight={420}
      searchProps={{
        leftSection: <IconSearch size={18} />,
        placeholder: t('shell.searchHint'),
        'aria-label': t('shell.search'),
      }}
    />
  );
}
