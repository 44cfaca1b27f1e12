/** The last checks, kept in this browser only. */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { Outcome } from "./verdict";

/** How many images the history has. The oldest are dropped. */
export const MAX_ENTRIES = 500;

/** Where an image is shown. */
export interface ShownIn {
  tab: number;
  frame: number;
}

/** One image of the history. */
export interface Entry {
  /** Its address, or "sha256:" and the hash of its file if it has no address on the web. */
  url: string;
  /** The address of the page that showed it last. Empty if it has none. */
  page: string;
  /** When it was checked last, in milliseconds since the epoch. */
  time: number;
  outcome: Outcome;
  /** A small picture as a data: URL, if it could be had without a request. */
  thumbnail?: string | undefined;
  /** Where a picture can be had for as long as the page is there. */
  shownIn?: ShownIn;
}

interface Schema extends DBSchema {
  entries: { key: string; value: Entry; indexes: { time: number } };
}

const STORE = "entries";

/** The name of the channel on which changes are told. */
const CHANNEL = "history";

let database: Promise<IDBPDatabase<Schema>> | undefined;

function open(): Promise<IDBPDatabase<Schema>> {
  database ??= openDB<Schema>("history", 1, {
    upgrade(created) {
      created.createObjectStore(STORE, { keyPath: "url" }).createIndex("time", "time");
    },
  });
  return database;
}

/** Add an image. It replaces an older entry of the same image. */
export async function addEntry(entry: Entry): Promise<void> {
  const transaction = (await open()).transaction(STORE, "readwrite");
  const { store } = transaction;
  const old = await store.get(entry.url);
  await store.put({ ...entry, thumbnail: entry.thumbnail ?? old?.thumbnail });
  const excess = (await store.count()) - MAX_ENTRIES;
  // To IndexedDB a limit of 0 means none.
  const oldest = excess > 0 ? await store.index("time").getAllKeys(null, excess) : [];
  await Promise.all(oldest.map((url) => store.delete(url)));
  await transaction.done;
  tellChange();
}

/** Add small pictures, by the addresses of their images, where there are entries. */
export async function addThumbnails(thumbnails: ReadonlyMap<string, string>): Promise<void> {
  const transaction = (await open()).transaction(STORE, "readwrite");
  const { store } = transaction;
  for (const [url, thumbnail] of thumbnails) {
    const entry = await store.get(url);
    if (entry) await store.put({ ...entry, thumbnail });
  }
  await transaction.done;
  tellChange();
}

/** All entries, the newest first. */
export async function loadEntries(): Promise<Entry[]> {
  const entries = await (await open()).getAllFromIndex(STORE, "time");
  return entries.reverse();
}

export async function clearEntries(): Promise<void> {
  await (await open()).clear(STORE);
  tellChange();
}

/** Call back after each change of the history. Returns a function that stops it. */
export function onHistory(callback: () => void): () => void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.addEventListener("message", callback);
  return () => channel.close();
}

function tellChange(): void {
  // A channel does not hear itself, so each message has its own.
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage(null);
  channel.close();
}
