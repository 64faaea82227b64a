/** Short news in the corner: done, undone, failed. */

import { Button, Group } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import i18next from 'i18next';

import { explain } from './explain';

const UNDO_SECONDS = 8;

/** What a notice says beside its words: the corner's own close button has a name, too. */
const close = () => ({ closeButtonProps: { 'aria-label': i18next.t('common.close') } });

function good(message: string): void {
  notifications.show({ message, color: 'sea', ...close() });
}

/** A failure in the corner, for actions without a form. */
function bad(error: unknown): void {
  const { title, text, remedy, requestId } = explain(error);
  notifications.show({
    title: text || title,
    message: [text ? '' : remedy, requestId && `${i18next.t('errors.requestId')} ${requestId}`].filter(Boolean).join(' · '),
    color: 'red',
    autoClose: 10_000,
    ...close(),
  });
}

/** Says what was done, and offers to take it back. */
function undoable(message: string, undo: () => Promise<unknown>): void {
  const id = notifications.show({
    color: 'sea',
    autoClose: UNDO_SECONDS * 1000,
    ...close(),
    message: (
      <Group justify="space-between" wrap="nowrap">
        <span>{message}</span>
        <Button
          size="compact-sm"
          variant="light"
          onClick={() => {
            notifications.hide(id);
            undo().catch(bad);
          }}
        >
          {i18next.t('common.undo')}
        </Button>
      </Group>
    ),
  });
}

export const told = { good, bad, undoable };
