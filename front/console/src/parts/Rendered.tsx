import type { ReactNode } from 'react';
import Compiled from 'markdown-to-jsx/react';

/** Only these are links; everything else is words. */
const SAFE = /^(https?:|mailto:|\/(?!\/)|#)/i;

function Anchor({ href, children }: { href?: string; children?: ReactNode }) {
  if (!href || !SAFE.test(href)) return <>{children}</>;
  return <a href={href} target="_blank" rel="noopener noreferrer nofollow">{children}</a>;
}

/** Pictures are links: the console asks no other host for anything. */
function Picture({ src, alt }: { src?: string; alt?: string }) {
  return <Anchor href={src}>{alt || src}</Anchor>;
}

export default function Rendered({ text }: { text: string }) {
  return (
    <Compiled
      options={{
        disableParsingRawHTML: true,
        forceBlock: true,
        overrides: { a: Anchor, img: Picture, iframe: () => null, input: () => null },
      }}
    >
      {text}
    </Compiled>
  );
}
