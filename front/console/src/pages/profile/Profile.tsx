import { useTranslation } from 'react-i18next';

import { PageHead } from '@/parts/PageHead';

export default function Page() {
  const { t } = useTranslation();
  return <PageHead title={t('pages.profile')} />;
}
