/** Text to read and copy: snippets, requests, answers. */

import { CopyButton } from './CopyButton';
import classes from './parts.module.css';

interface Props {
  text: string;
  label: string;
  /** What is copied, where it differs from what is shown (masked keys). */
  copied?: string | (() => Promise<string>);
}

export function CodeView({ text, label, copied }: Props) {
  return (
    <div className={classes.code}>
      <pre tabIndex={0} role="region" aria-label={label}>{text}</pre>
      <div className={classes.codeCopy}><CopyButton value={copied ?? text} /></div>
    </div>
  );
}
