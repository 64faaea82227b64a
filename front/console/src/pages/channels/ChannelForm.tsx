/** A channel's form: its vendor, key, models and groups first, the rest under "More". */

import { Accordion, Button, Group, MultiSelect, NumberInput, SegmentedControl, Select, Stack, Switch, TagsInput, Textarea, TextInput } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { get, post, put } from '@/api/client';
import type { Channel, Names } from '@/api/payloads';
import { ROOT, useIs } from '@/api/site';
import { ErrorPanel } from '@/parts/ErrorPanel';
import { useServerForm } from '@/parts/form';
import { JsonEditor } from '@/parts/JsonEditor';
import { Password } from '@/parts/Password';
import { told } from '@/parts/told';

import { again, groupNamesQuery, split } from './queries';
import { KEY_FORMS, NEEDS_ADDRESS, OTHER, typeChoices } from './types';

const MODES = ['single', 'batch', 'multi_to_single'] as const;
const JSONS = ['model_mapping', 'status_code_mapping', 'param_override', 'header_override', 'setting'] as const;

export function ChannelForm({ channel, onDone }: { channel: Channel | null; onDone: () => void }) {
  const { t } = useTranslation();
  const root = useIs(ROOT);
  const groups = useQuery(groupNamesQuery).data ?? ['default'];
  const [asking, setAsking] = useState(false);
  const { form, error, busy, submit } = useServerForm(
    {
      initialValues: {
        type: String(channel?.type ?? 1),
        name: channel?.name ?? '',
        mode: 'single' as (typeof MODES)[number],
        key: '',
        base_url: channel?.base_url ?? '',
        other: channel?.other ?? '',
        models: split(channel?.models ?? ''),
        group: split(channel?.group ?? 'default'),
        priority: channel?.priority ?? 0,
        weight: channel?.weight ?? 0,
        tag: channel?.tag ?? '',
        test_model: channel?.test_model ?? '',
        openai_organization: channel?.openai_organization ?? '',
        auto_ban: (channel?.auto_ban ?? 1) === 1,
        remark: channel?.remark ?? '',
        model_mapping: channel?.model_mapping ?? '',
        status_code_mapping: channel?.status_code_mapping ?? '',
        param_override: channel?.param_override ?? '',
        header_override: channel?.header_override ?? '',
        setting: channel?.setting ?? '',
      },
      validate: {
        name: (value) => (value.trim() ? null : t('entry.wanted')),
        key: (value) => (channel || value.trim() ? null : t('entry.wanted')),
        models: (value) => (value.length ? null : t('channels.form.modelsWanted')),
        group: (value) => (value.length ? null : t('channels.form.groupsWanted')),
        base_url: (value, all) => (NEEDS_ADDRESS.has(Number(all.type)) && !value.trim() ? t('entry.wanted') : null),
      },
    },
    async ({ mode, auto_ban, type, models, group, ...values }) => {
      const body = { ...values, type: Number(type), models: models.join(','), group: group.join(','), auto_ban: auto_ban ? 1 : 0 };
      if (channel) await put('/api/channel/', { ...body, id: channel.id });
      else await post('/api/channel/', { mode, channel: body, ...(mode === 'multi_to_single' && { multi_key_mode: 'random' }) });
      await again();
      told.good(t(channel ? 'channels.saved' : 'channels.created'));
      onDone();
    },
  );
  const values = form.getValues();
  const type = Number(values.type);
  const fetchModels = async () => {
    setAsking(true);
    try {
      const found = channel && !values.key
        ? await get<Names>(`/api/channel/fetch_models/${channel.id}`)
        : await post<Names>('/api/channel/fetch_models', { type, base_url: values.base_url, key: values.key });
      form.setFieldValue('models', [...new Set([...values.models, ...found])]);
      told.good(t('channels.form.fetched', { count: found.length }));
    } catch (problem) {
      told.bad(problem);
    } finally {
      setAsking(false);
    }
  };
  const keyHint = KEY_FORMS[type] ? t('channels.form.keyForm', { form: KEY_FORMS[type] }) : channel ? t('channels.form.keyKept') : undefined;
  const other = OTHER[type];
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        {error !== null && <ErrorPanel error={error} />}
        <Select label={t('channels.form.type')} searchable allowDeselect={false} data={typeChoices} {...form.getInputProps('type')} />
        <TextInput label={t('channels.form.name')} required maxLength={191} data-autofocus {...form.getInputProps('name')} />
        {!channel && (
          <SegmentedControl
            fullWidth
            size="sm"
            aria-label={t('channels.form.mode')}
            data={MODES.map((mode) => ({ value: mode, label: t(`channels.modes.${mode}`) }))}
            {...form.getInputProps('mode')}
          />
        )}
        {values.mode === 'single' && type !== 41 ? (
          <Password label={t('channels.form.key')} description={keyHint} required={!channel} autoComplete="new-password" {...form.getInputProps('key')} />
        ) : (
          <Textarea label={t('channels.form.key')} description={type === 41 ? t('channels.form.keyAccount') : t('channels.form.keyLines')} required={!channel} autosize minRows={3} maxRows={10} {...form.getInputProps('key')} />
        )}
        <TextInput label={t('channels.form.address')} description={t('channels.form.addressHint')} placeholder="https://" required={NEEDS_ADDRESS.has(type)} {...form.getInputProps('base_url')} />
        {other && <TextInput label={t(`channels.other.${other}`)} {...form.getInputProps('other')} />}
        <TagsInput
          label={t('channels.form.models')}
          description={t('channels.form.modelsHint')}
          required
          clearable
          maxDropdownHeight={220}
          splitChars={[',', ' ', '\n']}
          {...form.getInputProps('models')}
        />
        {(channel || root) && (
          <Group>
            <Button size="xs" variant="default" leftSection={<IconDownload size={15} />} loading={asking} onClick={() => void fetchModels()}>
              {t('channels.form.fetch')}
            </Button>
          </Group>
        )}
        <MultiSelect label={t('channels.form.groups')} required searchable data={[...new Set([...groups, ...values.group])]} {...form.getInputProps('group')} />
        <Group grow align="flex-start">
          <NumberInput label={t('channels.form.priority')} description={t('channels.form.priorityHint')} allowDecimal={false} {...form.getInputProps('priority')} />
          <NumberInput label={t('channels.form.weight')} description={t('channels.form.weightHint')} min={0} allowDecimal={false} {...form.getInputProps('weight')} />
        </Group>
        <Accordion variant="separated">
          <Accordion.Item value="more">
            <Accordion.Control>{t('channels.form.more')}</Accordion.Control>
            <Accordion.Panel>
              <Stack gap="md">
                <TextInput label={t('channels.form.tag')} maxLength={191} {...form.getInputProps('tag')} />
                <TextInput label={t('channels.form.testModel')} {...form.getInputProps('test_model')} />
                {type === 1 && <TextInput label={t('channels.form.organization')} {...form.getInputProps('openai_organization')} />}
                <Switch label={t('channels.form.autoBan')} description={t('channels.form.autoBanHint')} {...form.getInputProps('auto_ban', { type: 'checkbox' })} />
                {JSONS.map((name) => (
                  <JsonEditor
                    key={name}
                    label={t(`channels.json.${name}`)}
                    error={form.errors[name]}
                    value={values[name]}
                    onChange={(value) => form.setFieldValue(name, value)}
                  />
                ))}
                <Textarea label={t('channels.form.remark')} maxLength={255} autosize minRows={2} {...form.getInputProps('remark')} />
              </Stack>
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
        <Group justify="flex-end">
          <Button type="submit" loading={busy}>{t(channel ? 'channels.form.save' : 'channels.create')}</Button>
        </Group>
      </Stack>
    </form>
  );
}
