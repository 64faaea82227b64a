/** CodeMirror for JSON; Tab leaves it, as it leaves every field. */

import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { json } from '@codemirror/lang-json';
import { bracketMatching, defaultHighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { EditorState } from '@codemirror/state';
import { EditorView, keymap } from '@codemirror/view';
import { useEffect, useRef } from 'react';

import { nonce } from '@/app/nonce';

import classes from './parts.module.css';

interface Props {
  value: string;
  onChange: (value: string) => void;
  label: string;
  minHeight: number;
}

const look = EditorView.theme({
  '&': { fontSize: '12.5px', color: 'var(--i-ink)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-content': { fontFamily: 'var(--mantine-font-family-monospace)', caretColor: 'var(--i-ink)' },
  '.cm-cursor': { borderLeftColor: 'var(--i-ink)' },
});

export default function Editor({ value, onChange, label, minHeight }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(null);
  const changed = useRef(onChange);
  changed.current = onChange;
  useEffect(() => {
    const made = new EditorView({
      parent: place.current as HTMLDivElement,
      state: EditorState.create({
        doc: value,
        extensions: [
          EditorView.cspNonce.of(nonce),
          history(),
          keymap.of([...defaultKeymap, ...historyKeymap]),
          json(),
          bracketMatching(),
          syntaxHighlighting(defaultHighlightStyle),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': label }),
          look,
          EditorView.updateListener.of((update) => {
            if (update.docChanged) changed.current(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- made once; the value follows below
  }, []);
  useEffect(() => {
    const held = view.current;
    if (held && held.state.doc.toString() !== value) {
      held.dispatch({ changes: { from: 0, to: held.state.doc.length, insert: value } });
    }
  }, [value]);
  return <div ref={place} className={classes.editor} style={{ minHeight }} />;
}
