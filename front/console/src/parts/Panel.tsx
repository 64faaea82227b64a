/** A card with a heading and what can be done in it. */

import { Card } from '@mantine/core';
import type { ReactNode } from 'react';

import classes from './parts.module.css';

interface Props {
  title?: ReactNode;
  text?: ReactNode;
  actions?: ReactNode;
  children?: ReactNode;
  /** No padding around the content: tables. */
  flush?: boolean;
}

export function Panel({ title, text, actions, children, flush = false }: Props) {
  return (
    <Card component="section" padding={0} className={classes.panel}>
      {(title || actions) && (
        <div className={classes.panelHead}>
          <div>
            {title && <h2>{title}</h2>}
            {text && <p>{text}</p>}
          </div>
          {actions && <div className={classes.actions}>{actions}</div>}
        </div>
      )}
      <div className={flush ? undefined : classes.panelBody}>{children}</div>
    </Card>
  );
}
