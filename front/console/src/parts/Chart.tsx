/** A chart, loaded when shown; what it draws is also a table for those who do not see it. */

import { Skeleton } from '@mantine/core';
import { lazy, Suspense } from 'react';

export interface ChartLine {
  name: string;
  values: number[];
}

export interface ChartProps {
  /** What the chart tells, in words. */
  label: string;
  /** Names of the places on the axis. */
  places: string[];
  lines: ChartLine[];
  kind: 'bar' | 'line';
  /** How values are written. */
  write: (value: number) => string;
  height?: number;
}

const Drawn = lazy(() => import('./Drawn'));

export function Chart(props: ChartProps) {
  const { label, places, lines, write, height = 260 } = props;
  return (
    <figure style={{ margin: 0 }}>
      <Suspense fallback={<Skeleton h={height} />}><Drawn {...props} /></Suspense>
      <table className="i-hidden">
        <caption>{label}</caption>
        <thead>
          <tr><th scope="col" /> {lines.map((line) => <th key={line.name} scope="col">{line.name}</th>)}</tr>
        </thead>
        <tbody>
          {places.map((place, at) => (
            <tr key={place}>
              <th scope="row">{place}</th>
              {lines.map((line) => <td key={line.name}>{write(line.values[at] ?? 0)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}
