/** A field for JSON, with its own errors; the editor is loaded when one is shown. */

import { Input, Skeleton } from '@mantine/core';
import { lazy, type ReactNode, Suspense } from 'react';

const Editor = lazy(() => import('./Editor'));

interface Props {
  label: ReactNode;
  description?: ReactNode;
  error?: ReactNode;
  value: string;
  onChange: (value: string) => void;
  minHeight?: number;
}

export function JsonEditor({ label, description, error, value, onChange, minHeight = 96 }: Props) {
  return (
    <Input.Wrapper label={label} description={description} error={error} labelElement="div">
      <Suspense fallback={<Skeleton h={minHeight} />}>
        <Editor value={value} onChange={onChange} label={typeof label === 'string' ? label : ''} minHeight={minHeight} />
      </Suspense>
    </Input.Wrapper>
  );
}
