/** Every page: where it is, who may see it, in which part of the navigation. A new page is a row here. */

import {
  IconBuildingStore, IconChartHistogram, IconFileText, IconKey, IconMessages, IconRoute, IconSettings, IconTicket, IconUserCircle, IconUsers, type Icon,
} from '@tabler/icons-react';
import type { ComponentType } from 'react';

import { ADMIN, ROOT, USER } from '@/api/site';

export type Section = 'use' | 'account' | 'operate' | 'system';

export interface Page {
  path: string;
  /** Its title is the text pages.<name>. */
  name: string;
  /** The least role that sees it; 0: anybody. */
  level: number;
  /** plain: without navigation, as sign-in. open: with navigation when signed in, else plain. */
  frame?: 'shell' | 'plain' | 'open';
  /** Its place in the navigation; none: reached by links only. */
  section?: Section;
  icon?: Icon;
  load: () => Promise<{ default: ComponentType }>;
}

export const pages: Page[] = [
  { path: '/', name: 'dashboard', level: USER, section: 'use', icon: IconChartHistogram, load: () => import('@/pages/dashboard/Dashboard') },
  { path: '/playground', name: 'playground', level: USER, section: 'use', icon: IconMessages, load: () => import('@/pages/playground/Playground') },
  { path: '/keys', name: 'keys', level: USER, section: 'use', icon: IconKey, load: () => import('@/pages/keys/Keys') },
  { path: '/logs', name: 'logs', level: USER, section: 'use', icon: IconFileText, load: () => import('@/pages/logs/Logs') },
  { path: '/market', name: 'market', level: 0, frame: 'open', section: 'use', icon: IconBuildingStore, load: () => import('@/pages/market/Market') },
  { path: '/profile', name: 'profile', level: USER, section: 'account', icon: IconUserCircle, load: () => import('@/pages/profile/Profile') },
  { path: '/channels', name: 'channels', level: ADMIN, section: 'operate', icon: IconRoute, load: () => import('@/pages/channels/Channels') },
  { path: '/users', name: 'users', level: ADMIN, section: 'operate', icon: IconUsers, load: () => import('@/pages/users/Users') },
  { path: '/redemptions', name: 'redemptions', level: ADMIN, section: 'operate', icon: IconTicket, load: () => import('@/pages/redemptions/Redemptions') },
  { path: '/settings', name: 'settings', level: ROOT, section: 'system', icon: IconSettings, load: () => import('@/pages/settings/Settings') },
  { path: '/key-usage', name: 'keyUsage', level: 0, frame: 'open', load: () => import('@/pages/key-usage/KeyUsage') },
  { path: '/setup', name: 'setup', level: 0, frame: 'plain', load: () => import('@/pages/entry/Setup') },
  { path: '/login', name: 'login', level: 0, frame: 'plain', load: () => import('@/pages/entry/Login') },
  { path: '/register', name: 'register', level: 0, frame: 'plain', load: () => import('@/pages/entry/Register') },
  { path: '/reset', name: 'reset', level: 0, frame: 'plain', load: () => import('@/pages/entry/Reset') },
  { path: '/user/reset', name: 'newPassword', level: 0, frame: 'plain', load: () => import('@/pages/entry/NewPassword') },
  { path: '/oauth/$provider', name: 'oauth', level: 0, frame: 'plain', load: () => import('@/pages/entry/OAuth') },
];

export const sections: Section[] = ['use', 'account', 'operate', 'system'];
