/** What went wrong, what to do about it, and the id to ask an administrator with. */

import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';

import { CopyButton } from './CopyButton';
import { explain } from './explain';
import classes from './parts.module.css';

export function ErrorPanel({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation();
  const { title, text, remedy, requestId } = explain(error);
  return (
    <div role="alert" className={classes.error}>
      <strong>{title}</strong>
      {text && <p>{text}</p>}
      {remedy && <p className="i-soft">{remedy}</p>}
      {(requestId || retry) && (
        <div className={classes.errorFoot}>
          {retry && <Button size="xs" variant="default" onClick={retry}>{t('common.retry')}</Button>}
          {requestId && (
            <span>
              {t('errors.requestId')} <span className="i-code">{requestId}</span>{' '}
              <CopyButton value={requestId} size="sm" label={t('errors.copyId')} />
            </span>
          )}
        </div>
      )}
    </div>
  );
}
