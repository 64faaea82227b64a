/** A page's heading: what it is, one sentence, its main actions. */

import type { ReactNode } from 'react';

import classes from './parts.module.css';

export function PageHead({ title, text, actions }: { title: ReactNode; text?: ReactNode; actions?: ReactNode }) {
  return (
    <div className={classes.pageHead}>
      <div>
        <h1>{title}</h1>
        {text && <p>{text}</p>}
      </div>
      {actions && <div className={classes.actions}>{actions}</div>}
    </div>
  );
}
