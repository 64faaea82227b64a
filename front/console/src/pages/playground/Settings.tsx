/** Model, key and parameters of the playground. */

import { Button, Collapse, NumberInput, Select, Stack, Switch, Textarea } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconAdjustmentsHorizontal } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';

import type { Token } from '@/api/payloads';
import { Panel } from '@/parts/Panel';

import type { Parameters } from './ask';

const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high'] as const;

interface Props {
  tokens: Token[];
  token: Token;
  models: string[];
  model: string;
  parameters: Parameters;
  onToken: (id: string) => void;
  onModel: (name: string) => void;
  onChange: (change: Partial<Parameters>) => void;
}

const orNull = (value: string | number) => (typeof value === 'number' ? value : null);

export function Settings({ tokens, token, models, model, parameters, onToken, onModel, onChange }: Props) {
  const { t } = useTranslation();
  const [more, { toggle }] = useDisclosure(window.matchMedia('(min-width: 62em)').matches);
  return (
    <Panel>
      <Stack gap="md">
        <Select label={t('playground.model')} searchable data={models} value={model} onChange={(name) => name && onModel(name)} allowDeselect={false} nothingFoundMessage={t('playground.noModel')} />
        <Select label={t('playground.key')} description={t('playground.keyHint')} data={tokens.map((row) => ({ value: String(row.id), label: row.name }))} value={String(token.id)} onChange={(id) => id && onToken(id)} allowDeselect={false} />
        <Button variant="subtle" size="xs" leftSection={<IconAdjustmentsHorizontal size={15} />} onClick={toggle} aria-expanded={more}>{t('playground.parameters')}</Button>
        <Collapse expanded={more}>
          <Stack gap="sm">
            <Textarea label={t('playground.system')} autosize minRows={2} maxRows={8} value={parameters.system} onChange={(event) => onChange({ system: event.currentTarget.value })} />
            <NumberInput label={t('playground.temperature')} placeholder={t('playground.modelsOwn')} min={0} max={2} step={0.1} value={parameters.temperature ?? ''} onChange={(value) => onChange({ temperature: orNull(value) })} />
            <NumberInput label="top_p" placeholder={t('playground.modelsOwn')} min={0} max={1} step={0.05} value={parameters.top_p ?? ''} onChange={(value) => onChange({ top_p: orNull(value) })} />
            <NumberInput label={t('playground.maxTokens')} placeholder={t('playground.modelsOwn')} min={1} step={256} allowDecimal={false} value={parameters.max_tokens ?? ''} onChange={(value) => onChange({ max_tokens: orNull(value) })} />
            <Select label={t('playground.effort')} placeholder={t('playground.modelsOwn')} clearable data={EFFORTS.map((effort) => ({ value: effort, label: t(`playground.efforts.${effort}`) }))} value={parameters.reasoning_effort || null} onChange={(effort) => onChange({ reasoning_effort: effort ?? '' })} />
            <Switch label={t('playground.stream')} checked={parameters.stream} onChange={(event) => onChange({ stream: event.currentTarget.checked })} />
          </Stack>
        </Collapse>
      </Stack>
    </Panel>
  );
}
