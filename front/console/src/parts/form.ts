/** Forms whose fields take the server's refusals: `param` of a reply names the field. */

import { useForm, type UseFormInput, type UseFormReturnType } from '@mantine/form';
import { useState } from 'react';

import { ApiError } from '@/api/client';

export interface ServerForm<Values extends Record<string, unknown>> {
  form: UseFormReturnType<Values>;
  /** A refusal that is about no field; shown over the form. */
  error: unknown;
  busy: boolean;
  /** onSubmit of the form: validates, sends, shows what the server says. */
  submit: (event?: React.FormEvent<HTMLFormElement>) => void;
}

/** fields: the server's names of fields where they differ from the form's. */
export function useServerForm<Values extends Record<string, unknown>>(
  input: UseFormInput<Values>,
  send: (values: Values) => Promise<unknown>,
  fields: Record<string, keyof Values & string> = {},
): ServerForm<Values> {
  const form = useForm<Values>(input);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = form.onSubmit(async (values) => {
    setBusy(true);
    setError(null);
    try {
      await send(values);
    } catch (problem) {
      const param = problem instanceof ApiError ? problem.param : '';
      const name = fields[param] ?? param;
      if (problem instanceof ApiError && name in form.getValues()) form.setFieldError(name, problem.message);
      else setError(problem);
    } finally {
      setBusy(false);
    }
  });
  return { form, error, busy, submit };
}
