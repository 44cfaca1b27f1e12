/** Asks open pages for small pictures of what they show. To fetch an image again would be a request. */

import { browser } from "wxt/browser";
import { addThumbnails, type Entry, type ShownIn } from "./history";
import type { GetThumbnail } from "./messages";

/** Have a page draw an image. Undefined if it is gone, or may not. */
export async function getPicture(
  url: string,
  { tab, frame }: ShownIn,
  hasBadge: boolean,
): Promise<string | undefined> {
  const message: GetThumbnail = { kind: "get-thumbnail", url, hasBadge };
  try {
    return await browser.tabs.sendMessage(tab, message, { frameId: frame });
  } catch {
    return undefined;
  }
}

/** Adds the pictures that entries of the history lack, as long as pages show the images. */
export class Pictures {
  /** The entries that were asked for. */
  private readonly asked = new Set<string>();

  /** Add what these entries lack. */
  async complete(entries: readonly Entry[]): Promise<void> {
    const found = new Map<string, string>();
    const asking = entries.map(async ({ url, time, shownIn, thumbnail }) => {
      const name = `${time} ${url}`;
      if (!shownIn || thumbnail || this.asked.has(name)) return;
      this.asked.add(name);
      const picture = await getPicture(url, shownIn, true);
      if (picture) found.set(url, picture);
    });
    await Promise.all(asking);
    if (found.size > 0) await addThumbnails(found);
  }
}
