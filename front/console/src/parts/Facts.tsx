/** Names and values, as a list of definitions. */

import { Fragment, type ReactNode } from 'react';

import classes from './parts.module.css';

export function Facts({ rows }: { rows: (readonly [ReactNode, ReactNode] | null | undefined | false)[] }) {
  return (
    <dl className={classes.facts}>
      {rows.map((row, place) => row && (
        <Fragment key={place}>
          <dt>{row[0]}</dt>
          <dd>{row[1]}</dd>
        </Fragment>
      ))}
    </dl>
  );
}
