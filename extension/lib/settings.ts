/** The user's settings, in the browser's local storage. */

import { browser } from "wxt/browser";

export interface Settings {
  /** The server's address, without a trailing slash. */
  server: string;
  /** The API key. Empty for none. */
  key: string;
  /** Whether images get badges automatically. */
  badges: boolean;
  /** Hosts without automatic badges. Subdomains are included. */
  sitesOff: string[];
}

export const DEFAULTS: Readonly<Settings> = {
  server: "http://127.0.0.1:8750",
  key: "",
  badges: true,
  sitesOff: [],
};

export async function loadSettings(): Promise<Settings> {
  return { ...DEFAULTS, ...(await browser.storage.local.get({ ...DEFAULTS })) };
}

export async function saveSettings(settings: Settings): Promise<void> {
  await browser.storage.local.set({ ...settings });
}

/** Call back with the new settings after each change. Returns a function that stops it. */
export function onSettings(callback: (settings: Settings) => void): () => void {
  const listener = async () => callback(await loadSettings());
  browser.storage.local.onChanged.addListener(listener);
  return () => browser.storage.local.onChanged.removeListener(listener);
}

/**
 * Normalise a server address to scheme, host, port and path, without a trailing slash.
 *
 * @returns undefined if it is not an http(s) address, or has a password, query or fragment.
 */
export function normaliseServer(typed: string): string | undefined {
  const address = typed.trim();
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  if (!/^https?:$/.test(url.protocol)) return undefined;
  if (url.username || url.password || url.search || url.hash) return undefined;
  return (url.origin + url.pathname).replace(/\/+$/, "");
}

/** The match pattern for an address's host. Match patterns have no port. */
export function hostPattern(address: string): string {
  const { protocol, hostname } = new URL(address);
  return `${protocol}//${hostname}/*`;
}

/** Whether a host is one of these sites or a subdomain of one. */
export function isListed(host: string, sites: readonly string[]): boolean {
  return sites.some((site) => host === site || host.endsWith(`.${site}`));
}

/** Parse a list of sites, one per line. Addresses are reduced to their host. */
export function readSites(typed: string): string[] {
  const hosts = typed
    .split(/\s+/)
    .map((line) => line.replace(/^https?:\/\//, "https://"))
    .map((line) => (line.includes("://") ? line : `https://${line}`))
    .filter((line) => URL.canParse(line))
    .map((line) => new URL(line).hostname);
  return [...new Set(hosts)].filter(Boolean);
}

/** Whether a page's images get badges automatically. */
export function badgesEnabled({ badges, server, sitesOff }: Settings, page: Location): boolean {
  // A frame counts as part of the top page, if the browser reveals it.
  const top = page.ancestorOrigins?.[page.ancestorOrigins.length - 1];
  const hosts = [page.hostname, ...(top && URL.canParse(top) ? [new URL(top).hostname] : [])];
  const ours = page.origin === new URL(server).origin;
  const onTheWeb = /^https?:$/.test(page.protocol);
  return badges && onTheWeb && !ours && !hosts.some((host) => isListed(host, sitesOff));
}
