/** The design: every colour, size and space of the console. Styles read them as CSS variables (--i-...). */

import type { MantineColorsTuple } from '@mantine/core';

/** The sea on both sides: accents, what can be pressed. */
export const sea: MantineColorsTuple = [
  '#e8f6f3', '#d0ebe5', '#a3d8cd', '#6fc2b2', '#42ab98', '#1f9482', '#0f7c6c', '#0b675a', '#0a5349', '#073c35',
];
/** The land between: money, what wants attention. */
export const sand: MantineColorsTuple = [
  '#fdf6e7', '#f9ebcc', '#f2d698', '#eac063', '#dfaa3a', '#c58d1d', '#a37213', '#845a10', '#68470f', '#45300a',
];
/** What ends or destroys. */
export const red: MantineColorsTuple = [
  '#fdeae8', '#fad0cc', '#f3a59f', '#ea7a72', '#dd564c', '#cf4036', '#bf3229', '#b3261e', '#8f1d17', '#64130f',
];
/** Light greys, a touch of green in them. */
export const gray: MantineColorsTuple = [
  '#f7f9f8', '#f0f3f2', '#e4e9e7', '#d3dad8', '#b7c1be', '#8f9b97', '#63706c', '#4b5754', '#333d3a', '#18211f',
];
/** The dark scheme, from text to the deepest ground. */
export const dark: MantineColorsTuple = [
  '#e4ebe9', '#b9c4c1', '#96a4a0', '#6f7d79', '#34403d', '#28322f', '#1b2321', '#131918', '#0e1312', '#090d0c',
];

export const fonts = {
  text: "'Inter Variable', system-ui, -apple-system, 'Segoe UI', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans SC', 'Noto Sans CJK SC', sans-serif",
  code: "ui-monospace, 'SF Mono', 'Cascadia Mono', 'JetBrains Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace",
};

export const sizes = {
  '--i-header': '56px',
  '--i-side': '232px',
  '--i-side-narrow': '64px',
  '--i-page': '1440px',
  '--i-radius': '8px',
  '--i-radius-card': '12px',
  '--i-gap': '16px',
  '--i-pad': '20px',
};

interface Scheme {
  ground: string;
  surface: string;
  raised: string;
  line: string;
  lineStrong: string;
  ink: string;
  soft: string;
  accent: string;
  accentInk: string;
  accentTint: string;
  good: string;
  goodTint: string;
  warn: string;
  warnTint: string;
  bad: string;
  badTint: string;
  plainTint: string;
  shadow: string;
}

export const light: Scheme = {
  ground: '#f5f7f6',
  surface: '#ffffff',
  raised: '#ffffff',
  line: '#e2e8e5',
  lineStrong: '#c9d2ce',
  ink: '#16201d',
  soft: '#566460',
  accent: '#0b675a',
  accentInk: '#ffffff',
  accentTint: '#e3f3ef',
  good: '#0b6b3f',
  goodTint: '#e1f4e9',
  warn: '#7d530b',
  warnTint: '#fbf0d6',
  bad: '#b3261e',
  badTint: '#fdeae8',
  plainTint: '#eef2f0',
  shadow: '0 1px 2px rgb(16 32 28 / 5%), 0 8px 24px -12px rgb(16 32 28 / 12%)',
};

export const night: Scheme = {
  ground: '#0e1312',
  surface: '#141b19',
  raised: '#1b2321',
  line: '#26302d',
  lineStrong: '#3b4945',
  ink: '#e4ebe9',
  soft: '#9fada9',
  accent: '#5fcfbb',
  accentInk: '#06251f',
  accentTint: '#15322d',
  good: '#6fdb9d',
  goodTint: '#12301f',
  warn: '#ecc15c',
  warnTint: '#352a10',
  bad: '#ff9b92',
  badTint: '#3b1a18',
  plainTint: '#212b28',
  shadow: '0 1px 2px rgb(0 0 0 / 40%), 0 12px 32px -12px rgb(0 0 0 / 60%)',
};

/** Lines and areas of charts, told apart without colour vision by their order of lightness. */
export const series = {
  light: ['#0b675a', '#c58d1d', '#3f6fb5', '#8c4a9e', '#c2553f', '#5b7f2b', '#2b93a8', '#7a6a5a'],
  dark: ['#5fcfbb', '#eac063', '#84aef0', '#cf97e0', '#f09a86', '#a9cf74', '#72cfe2', '#c3b5a6'],
};

/** A scheme as CSS variables. */
export function variables(scheme: Scheme): Record<string, string> {
  return Object.fromEntries(
    Object.entries(scheme).map(([name, value]) => [`--i-${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`, value]),
  );
}
