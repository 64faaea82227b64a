/** A question before what cannot be undone. One host, asked from anywhere: `if (await confirm({...}))`. */

import { Button, Group, Modal, Text, TextInput } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';

export interface Question {
  title: string;
  text?: string;
  /** The verb on the button. */
  action: string;
  danger?: boolean;
  /** What has to be typed before the button works, for what cannot be brought back. */
  typed?: string;
}

interface Open extends Question {
  answer: (yes: boolean) => void;
}

let open: (question: Open) => void = () => {};

/** True when the reader agrees. */
export function confirm(question: Question): Promise<boolean> {
  return new Promise((answer) => open({ ...question, answer }));
}

export function ConfirmHost() {
  const { t } = useTranslation();
  const [held, setHeld] = useState<Open | null>(null);
  const [typed, setTyped] = useState('');
  useEffect(() => {
    open = (question) => {
      setTyped('');
      setHeld(question);
    };
  }, []);
  const end = (yes: boolean) => {
    held?.answer(yes);
    setHeld(null);
  };
  return (
    <Modal
      opened={held !== null}
      onClose={() => end(false)}
      title={held?.title}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      {held?.text && <Text>{held.text}</Text>}
      {held?.typed && (
        <TextInput
          mt="md"
          label={t('common.typeToConfirm', { text: held.typed })}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          autoComplete="off"
        />
      )}
      <Group justify="flex-end" mt="lg">
        <Button variant="default" onClick={() => end(false)} data-autofocus>
          {t('common.cancel')}
        </Button>
        <Button
          color={held?.danger ? 'red' : undefined}
          disabled={Boolean(held?.typed) && typed !== held?.typed}
          onClick={() => end(true)}
        >
          {held?.action}
        </Button>
      </Group>
    </Modal>
  );
}
