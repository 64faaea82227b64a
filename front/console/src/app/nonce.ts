/** What the server's Content-Security-Policy lets style elements carry; made anew with every page. */
export const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';
