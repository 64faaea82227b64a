import { Button } from '@mantine/core';
import { IconCompass, IconLock } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { Empty } from './Empty';

function Home() {
  const { t } = useTranslation();
  return <Button component={Link} to="/">{t('notFound.home')}</Button>;
}

export function NotFound() {
  const { t } = useTranslation();
  return <Empty icon={IconCompass} title={t('notFound.title')} text={t('notFound.text')} action={<Home />} />;
}

export function NotAllowed() {
  const { t } = useTranslation();
  return <Empty icon={IconLock} title={t('notAllowed.title')} text={t('notAllowed.text')} action={<Home />} />;
}
