/** Where a page will be. */

import { Skeleton, Stack } from '@mantine/core';
import { useTranslation } from 'react-i18next';

export function PageSkeleton({ whole = false }: { whole?: boolean }) {
  const { t } = useTranslation();
  return (
    <Stack gap="lg" p={whole ? 'xl' : 0} aria-busy="true" aria-label={t('common.loading')} role="status">
      <Skeleton h={30} w={220} />
      <Skeleton h={110} />
      <Skeleton h={260} />
    </Stack>
  );
}
