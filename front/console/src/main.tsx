/** Starts the console. */

import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import '@mantine/spotlight/styles.css';
import './app/base.css';

import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { setNonce } from 'get-nonce';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { cache } from './api/site';
import { startLanguage } from './app/language';
import { nonce } from './app/nonce';
import { router } from './app/router';
import { cssVariables, theme } from './app/theme';
import { ConfirmHost } from './parts/confirm';
import { VerifyHost } from './parts/verify';

setNonce(nonce);
const schemes = localStorageColorSchemeManager({ key: 'isthmus.scheme' });

await startLanguage();
createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariables}
      defaultColorScheme="auto"
      colorSchemeManager={schemes}
      getStyleNonce={() => nonce}
    >
      <QueryClientProvider client={cache}>
        <RouterProvider router={router} />
        <ConfirmHost />
        <VerifyHost />
      </QueryClientProvider>
      <Notifications position="bottom-right" limit={4} />
    </MantineProvider>
  </StrictMode>,
);
