/** Markdown that others wrote: no HTML, no scripts, no pictures from elsewhere; loaded when shown. */

import { lazy, Suspense } from 'react';

import classes from './parts.module.css';

const Rendered = lazy(() => import('./Rendered'));

export function Markdown({ text }: { text: string }) {
  return (
    <div className={classes.prose}>
      <Suspense fallback={text}><Rendered text={text} /></Suspense>
    </div>
  );
}
