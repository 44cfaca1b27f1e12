import "fake-indexeddb/auto";
import { beforeEach, expect, test, vi } from "vitest";
import {
  addEntry,
  clearEntries,
  type Entry,
  loadEntries,
  MAX_ENTRIES,
  onHistory,
} from "../lib/history";
import { classified } from "./examples";

beforeEach(clearEntries);

const entry = (url: string, time: number, more: Partial<Entry> = {}): Entry => ({
  url,
  page: "https://p.example/",
  time,
  outcome: classified(),
  ...more,
});
const urls = async () => (await loadEntries()).map(({ url }) => url);

test("the newest comes first", async () => {
  await addEntry(entry("a", 2));
  await addEntry(entry("b", 3));
  await addEntry(entry("c", 1));
  expect(await urls()).toEqual(["b", "a", "c"]);
});

test("an image has one entry, which tells of its last check", async () => {
  await addEntry(entry("a", 1, { thumbnail: "data:image/webp;base64,AAAA" }));
  await addEntry(entry("b", 2));
  await addEntry(entry("a", 3, { page: "https://q.example/", outcome: classified({ label: "real" }) }));
  expect(await urls()).toEqual(["a", "b"]);
  expect((await loadEntries())[0]).toMatchObject({
    page: "https://q.example/",
    outcome: { verdict: { label: "real" } },
    thumbnail: "data:image/webp;base64,AAAA",
  });
});

test("only the last ones are kept", async () => {
  for (let time = 0; time < MAX_ENTRIES + 2; time++) await addEntry(entry(`u${time}`, time));
  const kept = await urls();
  expect(kept).toHaveLength(MAX_ENTRIES);
  expect(kept.at(-1)).toBe("u2");
});

test("who listens is told of each change, until it stops", async () => {
  const told = vi.fn();
  const stop = onHistory(told);
  await addEntry(entry("a", 1));
  await vi.waitFor(() => expect(told).toHaveBeenCalledTimes(1));
  await clearEntries();
  await vi.waitFor(() => expect(told).toHaveBeenCalledTimes(2));
  expect(await urls()).toEqual([]);
  stop();
});
