/** The card in the middle of pages before sign-in. */

import type { ReactNode } from 'react';

import classes from './entry.module.css';

export function EntryCard({ title, text, foot, children }: { title: string; text?: string; foot?: ReactNode; children: ReactNode }) {
  return (
    <div className={classes.card}>
      <h1>{title}</h1>
      <p>{text}</p>
      {children}
      {foot && <div className={classes.foot}>{foot}</div>}
    </div>
  );
}
