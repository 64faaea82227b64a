/** Mantine, dressed in the house's tokens. */

import {
  ActionIcon, Badge, Button, Card, Checkbox, type CSSVariablesResolver, createTheme, Drawer, Input, Menu, Modal, NumberInput,
  PasswordInput, SegmentedControl, Select, Skeleton, Switch, Table, Tabs, TagsInput, Textarea, TextInput, Tooltip,
} from '@mantine/core';

import { dark, fonts, gray, light, night, red, sand, sea, sizes, variables } from './tokens';

const field = { defaultProps: { size: 'sm' as const } };

export const theme = createTheme({
  colors: { sea, sand, gray, dark, red },
  primaryColor: 'sea',
  primaryShade: { light: 7, dark: 6 },
  fontFamily: fonts.text,
  fontFamilyMonospace: fonts.code,
  defaultRadius: 'md',
  radius: { xs: '4px', sm: '6px', md: '8px', lg: '12px', xl: '16px' },
  fontSizes: { xs: '12px', sm: '13.5px', md: '14.5px', lg: '17px', xl: '20px' },
  headings: {
    fontWeight: '620',
    sizes: {
      h1: { fontSize: '22px', lineHeight: '1.3' },
      h2: { fontSize: '16px', lineHeight: '1.4' },
      h3: { fontSize: '14.5px', lineHeight: '1.4' },
    },
  },
  focusRing: 'auto',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Button: Button.extend({ defaultProps: { size: 'sm' } }),
    ActionIcon: ActionIcon.extend({ defaultProps: { variant: 'subtle', size: 'lg', color: 'gray' } }),
    Badge: Badge.extend({ defaultProps: { variant: 'light', radius: 'sm' } }),
    Card: Card.extend({ defaultProps: { padding: 'lg', radius: 'lg', withBorder: true } }),
    Checkbox: Checkbox.extend(field),
    Drawer: Drawer.extend({ defaultProps: { position: 'right', size: 'lg', padding: 'lg', overlayProps: { backgroundOpacity: 0.35 } } }),
    Input: Input.extend(field),
    Menu: Menu.extend({ defaultProps: { shadow: 'md', radius: 'md', position: 'bottom-end' } }),
    Modal: Modal.extend({ defaultProps: { radius: 'lg', padding: 'lg', centered: true, overlayProps: { backgroundOpacity: 0.35 } } }),
    NumberInput: NumberInput.extend(field),
    PasswordInput: PasswordInput.extend(field),
    SegmentedControl: SegmentedControl.extend({ defaultProps: { size: 'xs' } }),
    Select: Select.extend({ defaultProps: { size: 'sm', checkIconPosition: 'right' } }),
    Skeleton: Skeleton.extend({ defaultProps: { radius: 'sm' } }),
    Switch: Switch.extend({ defaultProps: { size: 'sm' } }),
    Table: Table.extend({ defaultProps: { verticalSpacing: 10, horizontalSpacing: 14 } }),
    Tabs: Tabs.extend({ defaultProps: { keepMounted: false } }),
    TagsInput: TagsInput.extend(field),
    Textarea: Textarea.extend(field),
    TextInput: TextInput.extend(field),
    Tooltip: Tooltip.extend({ defaultProps: { withArrow: true, openDelay: 250 } }),
  },
});

/** Mantine's soft buttons in the house's tints. */
const soft = (scheme: typeof light) => ({
  '--mantine-color-sea-light': scheme.accentTint,
  '--mantine-color-sea-light-hover': `color-mix(in srgb, ${scheme.accent} 18%, ${scheme.surface})`,
  '--mantine-color-sea-light-color': scheme.accent,
  '--mantine-color-red-light': scheme.badTint,
  '--mantine-color-red-light-hover': `color-mix(in srgb, ${scheme.bad} 18%, ${scheme.surface})`,
  '--mantine-color-red-light-color': scheme.bad,
});

export const cssVariables: CSSVariablesResolver = () => ({
  variables: { ...sizes },
  light: {
    ...variables(light),
    ...soft(light),
    '--mantine-color-body': light.ground,
    '--mantine-color-text': light.ink,
    '--mantine-color-dimmed': light.soft,
    '--mantine-color-placeholder': '#6b7773',
    '--mantine-color-error': light.bad,
    '--mantine-color-anchor': light.accent,
    '--mantine-color-default-border': light.line,
  },
  dark: {
    ...variables(night),
    ...soft(night),
    '--mantine-color-body': night.ground,
    '--mantine-color-text': night.ink,
    '--mantine-color-dimmed': night.soft,
    '--mantine-color-placeholder': '#8b9995',
    '--mantine-color-error': night.bad,
    '--mantine-color-anchor': night.accent,
    '--mantine-color-default': night.surface,
    '--mantine-color-default-hover': night.raised,
    '--mantine-color-default-border': night.line,
  },
});
