/** One figure with its name. */

import { Skeleton } from '@mantine/core';
import type { Icon } from '@tabler/icons-react';
import type { ReactNode } from 'react';

import classes from './parts.module.css';

interface Props {
  name: string;
  value: ReactNode;
  note?: ReactNode;
  icon?: Icon;
  loading?: boolean;
}

export function Stat({ name, value, note, icon: Sign, loading = false }: Props) {
  return (
    <div className={classes.stat}>
      <span className={classes.statName}>{Sign && <Sign size={16} stroke={1.7} aria-hidden />}{name}</span>
      {loading ? <Skeleton h={26} w={110} my={3} /> : <span className={classes.statValue}>{value}</span>}
      {note && <span className={classes.statNote}>{note}</span>}
    </div>
  );
}

export function Stats({ children }: { children: ReactNode }) {
  return <div className={classes.stats}>{children}</div>;
}
