/** Other ways in, as the site tells: OAuth providers and passkeys. */

import { get, post } from '@/api/client';
import type { SignedIn, SiteStatus } from '@/api/payloads';

export interface Way {
  slug: string;
  name: string;
  /** The provider's page, for a state and the address that it returns to. */
  address: (state: string, back: string) => string;
}

function url(base: string, query: Record<string, string>): string {
  const made = new URL(base);
  for (const [name, value] of Object.entries(query)) if (value) made.searchParams.set(name, value);
  return made.toString();
}

/** The providers that are switched on. */
export function ways(site: SiteStatus): Way[] {
  const code = { response_type: 'code' };
  const found: (Way | false | undefined)[] = [
    site.github_oauth && {
      slug: 'github',
      name: 'GitHub',
      address: (state) => url('https://github.com/login/oauth/authorize', { client_id: site.github_client_id ?? '', state, scope: 'user:email' }),
    },
    site.discord_oauth && {
      slug: 'discord',
      name: 'Discord',
      address: (state, back) =>
        url('https://discord.com/oauth2/authorize', { ...code, client_id: site.discord_client_id ?? '', state, redirect_uri: back, scope: 'identify openid' }),
    },
    site.oidc_enabled && {
      slug: 'oidc',
      name: 'OIDC',
      address: (state, back) =>
        url(site.oidc_authorization_endpoint ?? '', { ...code, client_id: site.oidc_client_id ?? '', state, redirect_uri: back, scope: 'openid profile email' }),
    },
    site.linuxdo_oauth && {
      slug: 'linuxdo',
      name: 'LinuxDO',
      address: (state) => url('https://connect.linux.do/oauth2/authorize', { ...code, client_id: site.linuxdo_client_id ?? '', state }),
    },
    ...(site.custom_oauth_providers ?? []).map((provider) => ({
      slug: provider.slug,
      name: provider.name,
      address: (state: string, back: string) =>
        url(provider.authorization_endpoint, { ...code, client_id: provider.client_id, state, redirect_uri: back, scope: provider.scopes ?? '' }),
    })),
  ];
  return found.filter((way): way is Way => Boolean(way));
}

/** Leaves for a provider's page. aff: an inviter's code. */
export async function leaveFor(way: Way, site: SiteStatus, aff = ''): Promise<void> {
  const state = await get<string>('/api/oauth/state', { aff });
  const base = site.server_address || window.location.origin;
  window.location.assign(way.address(state, `${base}/oauth/${way.slug}`));
}

/** Signs in by a passkey of this device. */
export async function byPasskey(): Promise<SignedIn> {
  const told = await post<{ options: { publicKey?: PublicKeyCredentialRequestOptionsJSON } }>('/api/user/passkey/login/begin');
  const options = (told.options.publicKey ?? told.options) as PublicKeyCredentialRequestOptionsJSON;
  const credential = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  return post<SignedIn>('/api/user/passkey/login/finish', (credential as PublicKeyCredential).toJSON());
}
