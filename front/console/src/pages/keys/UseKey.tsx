/** How to use a key: its address, itself, and ready texts for clients. */

import { Alert, Button, Group, Select, Stack, Tabs } from '@mantine/core';
import { IconExternalLink } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import type { Token } from '@/api/payloads';
import { useSite } from '@/api/site';
import { CodeView } from '@/parts/CodeView';
import { CopyButton } from '@/parts/CopyButton';
import { Facts } from '@/parts/Facts';
import { told } from '@/parts/told';

import { modelsQuery, reveal } from './queries';
import { chatLinks, snippets } from './snippets';

/** Where the APIs are: what the operator says, else where this page came from. */
export function useBase(): string {
  const given = useSite().server_address.replace(/\/+$/, '');
  return /^https?:\/\//.test(given) ? given : window.location.origin;
}

export function UseKey({ token, fresh }: { token: Token; fresh: boolean }) {
  const { t } = useTranslation();
  const site = useSite();
  const base = useBase();
  const limits = token.model_limits_enabled ? token.model_limits.split(',') : null;
  const all = useQuery(modelsQuery).data ?? [];
  const models = limits ?? all;
  const [chosen, setChosen] = useState<string | null>(null);
  const model = chosen ?? models.find((name) => !name.includes('embed')) ?? models[0] ?? 'gpt-4o';
  const masked = `sk-${token.key.replace(/^sk-/, '')}`;
  const open = async (name: string) => {
    try {
      const link = chatLinks(site.chats, base, await reveal(token.id)).find((row) => row.name === name);
      if (link) window.open(link.href, '_blank', 'noopener,noreferrer');
    } catch (problem) {
      told.bad(problem);
    }
  };
  return (
    <Stack gap="md">
      {fresh && <Alert color="sea" variant="light" title={t('keys.use.fresh')}>{t('keys.use.freshText')}</Alert>}
      <Facts
        rows={[
          [t('keys.use.key'), <Group key="k" gap={4}><span className="i-code">{masked}</span><CopyButton value={() => reveal(token.id)} label={t('keys.copy')} /></Group>],
          [t('keys.use.base'), <Group key="b" gap={4}><span className="i-code">{`${base}/v1`}</span><CopyButton value={`${base}/v1`} /></Group>],
        ]}
      />
      <Select label={t('keys.use.model')} searchable data={models} value={model} onChange={setChosen} allowDeselect={false} />
      <Tabs defaultValue="curl">
        <Tabs.List>
          {snippets.map((snippet) => <Tabs.Tab key={snippet.id} value={snippet.id}>{snippet.name}</Tabs.Tab>)}
        </Tabs.List>
        {snippets.map((snippet) => (
          <Tabs.Panel key={snippet.id} value={snippet.id} pt="sm">
            <CodeView
              label={snippet.name}
              text={snippet.text(base, masked, model)}
              copied={async () => snippet.text(base, await reveal(token.id), model)}
            />
          </Tabs.Panel>
        ))}
      </Tabs>
      {site.chats.length > 0 && (
        <Group gap="xs">
          {site.chats.flatMap((row) => Object.keys(row)).map((name) => (
            <Button key={name} size="xs" variant="default" rightSection={<IconExternalLink size={14} />} onClick={() => void open(name)}>
              {t('keys.use.open', { name })}
            </Button>
          ))}
        </Group>
      )}
    </Stack>
  );
}
