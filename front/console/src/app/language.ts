/** Languages: one file of texts each in src/texts, loaded when chosen. */

import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';

import type en from '../texts/en.json';

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'texts';
    resources: { texts: typeof en };
  }
}

const CHOSEN = 'isthmus.language';
const files = import.meta.glob<{ default: typeof en }>('../texts/*.json');

/** Codes of the languages there are a file for. */
export const languages = Object.keys(files).map((path) => path.replace('../texts/', '').replace('.json', ''));

/** How a language calls itself. */
export function ownName(code: string): string {
  return new Intl.DisplayNames([code], { type: 'language' }).of(code) ?? code;
}

async function load(code: string): Promise<void> {
  if (!i18next.hasResourceBundle(code, 'texts')) {
    const file = await files[`../texts/${code}.json`]?.();
    if (file) i18next.addResourceBundle(code, 'texts', file.default);
  }
}

export async function speak(code: string, remember = true): Promise<void> {
  await load(code);
  await i18next.changeLanguage(code);
  document.documentElement.lang = code === 'zh' ? 'zh-CN' : code;
  if (remember) localStorage.setItem(CHOSEN, code);
}

function first(): string {
  const wanted = [localStorage.getItem(CHOSEN) ?? '', ...navigator.languages];
  for (const tag of wanted) {
    const code = tag.toLowerCase().split('-')[0] ?? '';
    if (languages.includes(code)) return code;
  }
  return 'en';
}

export async function startLanguage(): Promise<void> {
  await i18next.use(initReactI18next).init({
    resources: {},
    lng: undefined,
    fallbackLng: false,
    ns: ['texts'],
    defaultNS: 'texts',
    interpolation: { escapeValue: false }, // React escapes
    returnNull: false,
  });
  await speak(first(), false);
}

/** The tag numbers and times are written by: the browser's own region of the language, where it has one. */
export function locale(): string {
  const code = i18next.language || 'en';
  return navigator.languages.find((tag) => tag.toLowerCase().startsWith(code)) ?? (code === 'zh' ? 'zh-CN' : code);
}
