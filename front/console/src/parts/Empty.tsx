/** Nothing here yet: what it is for, and what to do next. */

import { type Icon, IconInbox } from '@tabler/icons-react';
import type { ReactNode } from 'react';

import classes from './parts.module.css';

interface Props {
  title: ReactNode;
  text?: ReactNode;
  action?: ReactNode;
  icon?: Icon;
}

export function Empty({ title, text, action, icon: Sign = IconInbox }: Props) {
  return (
    <div className={classes.empty}>
      <Sign size={34} stroke={1.3} aria-hidden />
      <strong>{title}</strong>
      {text && <p>{text}</p>}
      {action}
    </div>
  );
}
