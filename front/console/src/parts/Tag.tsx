/** A short state in words, with a tone of its own; never told by colour alone. */

import type { ReactNode } from 'react';

import classes from './parts.module.css';

export type Tone = 'plain' | 'accent' | 'good' | 'warn' | 'bad';

export function Tag({ tone = 'plain', children }: { tone?: Tone; children: ReactNode }) {
  return <span className={classes.tag} data-tone={tone}>{children}</span>;
}
