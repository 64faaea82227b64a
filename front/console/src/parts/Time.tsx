/** A moment in the reader's zone; how long ago on demand. */

import { Tooltip } from '@mantine/core';

import { useFormat } from '@/app/format';

export function Time({ at, relative = false }: { at: number; relative?: boolean }) {
  const format = useFormat();
  if (at <= 0) return <span className="i-soft">—</span>;
  const [shown, other] = relative ? [format.ago(at), format.time(at)] : [format.time(at), format.ago(at)];
  return (
    <Tooltip label={other}>
      <time dateTime={new Date(at * 1000).toISOString()} className="i-number">{shown}</time>
    </Tooltip>
  );
}
