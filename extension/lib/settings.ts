/** What the user chose, kept in the browser's local storage. */

import { browser } from "wxt/browser";

export interface Settings {
  /** The server's address, without a slash at its end. */
  server: string;
  /** The API key that the server asks for; empty for none. */
  key: string;
  /** Whether images get badges on their own. */
  badges: boolean;
  /** Host names whose pages, and whose subdomains' pages, get no badges on their own. */
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

/** Call back with the new settings whenever they change; returns how to stop. */
export function onSettings(callback: (settings: Settings) => void): () => void {
  const listener = async () => callback(await loadSettings());
  browser.storage.local.onChanged.addListener(listener);
  return () => browser.storage.local.onChanged.removeListener(listener);
}

/**
 * Bring a typed server address into its one form: scheme, host, port and path, no slash at the end.
 *
 * @returns undefined when it is not an http(s) address, or carries a password, query or fragment.
 */
export function normaliseServer(typed: string): string | undefined {
  const address = typed.trim();
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  if (!/^https?:$/.test(url.protocol)) return undefined;
  if (url.username || url.password || url.search || url.hash) return undefined;
  return (url.origin + url.pathname).replace(/\/+$/, "");
}

/** The match pattern of all that a server's host serves; patterns know no ports. */
export function hostPattern(address: string): string {
  const { protocol, hostname } = new URL(address);
  return `${protocol}//${hostname}/*`;
}

/** Whether a host is one of these sites or lies below one. */
export function isListed(host: string, sites: readonly string[]): boolean {
  return sites.some((site) => host === site || host.endsWith(`.${site}`));
}

/** Bring a typed list of sites, one a line, into host names; addresses are cut down to theirs. */
export function readSites(typed: string): string[] {
  const hosts = typed
    .split(/\s+/)
    .map((line) => line.replace(/^https?:\/\//, "https://"))
    .map((line) => (line.includes("://") ? line : `https://${line}`))
    .filter((line) => URL.canParse(line))
    .map((line) => new URL(line).hostname);
  return [...new Set(hosts)].filter(Boolean);
}

/** Whether a page's images get badges on their own. */
export function badgesWanted({ badges, server, sitesOff }: Settings, page: Location): boolean {
  // A frame belongs to the site in the address bar, where the browser tells which that is.
  const top = page.ancestorOrigins?.[page.ancestorOrigins.length - 1];
  const hosts = [page.hostname, ...(top && URL.canParse(top) ? [new URL(top).hostname] : [])];
  const ours = page.origin === new URL(server).origin;
  const onTheWeb = /^https?:$/.test(page.protocol);
  return badges && onTheWeb && !ours && !hosts.some((host) => isListed(host, sitesOff));
}
