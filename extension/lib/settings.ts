/** The user's settings, in the browser's local storage. */

import { browser } from "wxt/browser";

/** Which pages' images are checked without being asked for: all, those of chosen sites, or none. */
export type Mode = "everywhere" | "chosen" | "manual";

/** A corner of an image. Its start is on the right on pages that are written from right to left. */
export type Corner = "top-start" | "top-end" | "bottom-start" | "bottom-end";

/** How badges and flagged images look. */
export interface Look {
  /** Whether "No sign of AI" is a pill with text, too, and not a dot that opens. */
  fullLabels: boolean;
  corner: Corner;
  size: "normal" | "large";
  /** The user's own threshold of "Likely AI", a probability. 0: that of the server. */
  ownThreshold: number;
  /** What happens to images that are likely AI-made. */
  flagged: "show" | "blur" | "hide";
}

export interface Settings extends Look {
  /** The server's address, without a trailing slash. */
  server: string;
  /** The API key. Empty for none. */
  key: string;
  mode: Mode;
  /** The hosts that "everywhere" leaves out. Subdomains are included. */
  sitesOff: string[];
  /** The hosts of "chosen". Subdomains are included. */
  sitesOn: string[];
  /** Nothing is checked automatically before this time, in milliseconds since the epoch. */
  pausedUntil: number;
  /** Whether badges show only what the server knows, and only hash prefixes are sent for them. */
  privateLookups: boolean;
  /** Whether the last checks are kept in this browser. */
  history: boolean;
}

export const DEFAULTS: Readonly<Settings> = {
  server: "http://127.0.0.1:8750",
  key: "",
  mode: "everywhere",
  sitesOff: [],
  sitesOn: [],
  pausedUntil: 0,
  fullLabels: false,
  corner: "top-start",
  size: "normal",
  ownThreshold: 0,
  flagged: "show",
  privateLookups: false,
  history: true,
};

export async function loadSettings(): Promise<Settings> {
  return { ...DEFAULTS, ...(await browser.storage.local.get({ ...DEFAULTS })) };
}

/** Save all settings, or some of them. */
export async function saveSettings(change: Partial<Settings>): Promise<void> {
  await browser.storage.local.set({ ...change });
}

/** Convert the settings of a version that could only turn badges on and off. */
export async function migrateSettings(): Promise<void> {
  const { badges } = await browser.storage.local.get("badges");
  if (badges === undefined) return;
  if (badges === false) await saveSettings({ mode: "manual" });
  await browser.storage.local.remove("badges");
}

/** Call back with the new settings after each change. Returns a function that stops it. */
export function onSettings(callback: (settings: Settings) => void): () => void {
  const listener = async () => callback(await loadSettings());
  browser.storage.local.onChanged.addListener(listener);
  return () => browser.storage.local.onChanged.removeListener(listener);
}

/** Whether automatic checks are paused. */
export function isPaused({ pausedUntil }: Pick<Settings, "pausedUntil">): boolean {
  return Date.now() < pausedUntil;
}

/** Whether a site's images are checked automatically, while nothing is paused. */
export function isSiteOn({ mode, sitesOff, sitesOn }: Settings, host: string): boolean {
  if (mode === "manual") return false;
  return mode === "chosen" ? isListed(host, sitesOn) : !isListed(host, sitesOff);
}

/** The change of settings that turns automatic checks of a site on or off. */
export function withSite(
  { mode, sitesOff, sitesOn }: Settings,
  host: string,
  on: boolean,
): Partial<Settings> {
  const without = (sites: string[]) => sites.filter((site) => !isListed(host, [site]));
  if (mode === "chosen") return { sitesOn: on ? [...sitesOn, host] : without(sitesOn) };
  return { sitesOff: on ? without(sitesOff) : [...sitesOff, host] };
}

/** A host name or IP address. Browsers accept more, and escape it: Chrome does so with spaces. */
const HOST = /^([\w.-]+|\[[\da-f:.]+\])$/i;

/**
 * Normalise a server address to scheme, host, port and path, without a trailing slash. A missing
 * scheme is added: http for an IP address or localhost, else https.
 *
 * @returns undefined if it is not an http(s) address, or has a password, query or fragment.
 */
export function normaliseServer(typed: string): string | undefined {
  const address = withScheme(typed.trim());
  if (!URL.canParse(address)) return undefined;
  const url = new URL(address);
  if (!/^https?:$/.test(url.protocol) || !HOST.test(url.hostname)) return undefined;
  if (url.username || url.password || url.search || url.hash) return undefined;
  return (url.origin + url.pathname).replace(/\/+$/, "");
}

function withScheme(address: string): string {
  if (address.includes("://")) return address;
  const isNearby = /^(localhost|[\d.]+|\[[\da-f:.]+\])(?=[:/]|$)/i.test(address);
  return `${isNearby ? "http" : "https"}://${address}`;
}

/** The match pattern for an address's host. Match patterns have no port. */
export function hostPattern(address: string): string {
  const { protocol, hostname } = new URL(address);
  return `${protocol}//${hostname}/*`;
}

/** Whether a server is on this machine. The manifest grants access to it. */
export function isLocal(server: string): boolean {
  return /^http:\/\/(127\.0\.0\.1|localhost)$/.test(hostPattern(server).replace("/*", ""));
}

/** Whether a host is one of these sites or a subdomain of one. */
export function isListed(host: string, sites: readonly string[]): boolean {
  return sites
    .map((site) => site.replace(ANY_SUBDOMAIN, ""))
    .some((site) => host === site || host.endsWith(`.${site}`));
}

/** The start of a site's name that some people write for its subdomains. */
const ANY_SUBDOMAIN = /^\*\./;

/** A typed list of sites. */
export interface SiteList {
  sites: string[];
  /** The lines that are no sites. */
  invalid: string[];
}

/** Parse a list of sites, one per line. Addresses are reduced to their host. */
export function readSites(typed: string): SiteList {
  const lines = typed.split("\n").map((line) => line.trim()).filter(Boolean);
  const sites = new Set(lines.map(siteOf).filter((site) => site !== undefined));
  return { sites: [...sites], invalid: lines.filter((line) => siteOf(line) === undefined) };
}

/** The site that a line names: a host, after `*.` if the user wrote that. */
function siteOf(line: string): string | undefined {
  const prefix = ANY_SUBDOMAIN.exec(line)?.[0] ?? "";
  const rest = line.slice(prefix.length);
  const address = rest.includes("://") ? rest : `https://${rest}`;
  if (!URL.canParse(address)) return undefined;
  const { hostname, protocol } = new URL(address);
  if (!/^https?:$/.test(protocol)) return undefined;
  return HOST.test(hostname) ? prefix + hostname : undefined;
}

/** Whether a page's images get badges automatically. */
export function badgesEnabled(
  settings: Settings,
  { location, origin }: Pick<Window, "location" | "origin">,
): boolean {
  const { mode, server, sitesOff, sitesOn } = settings;
  if (mode === "manual" || isPaused(settings)) return false;
  // A frame counts as part of the top page, if the browser reveals it. The origin is that of the page
  // around a frame without an address of its own.
  const top = location.ancestorOrigins?.[location.ancestorOrigins.length - 1] ?? "";
  const pages = [origin, location.origin, top].filter((page) => /^https?:/.test(page));
  const hosts = pages.map((page) => new URL(page).hostname);
  const outermost = hosts.at(-1);
  if (outermost === undefined || pages.includes(new URL(server).origin)) return false;
  if (mode === "chosen") return isListed(outermost, sitesOn);
  return !hosts.some((host) => isListed(host, sitesOff));
}
