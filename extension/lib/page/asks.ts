/** What a page has asked for its badges. */

import { tell } from "../messages";
import type { Outcome } from "../verdict";
import type { Badge } from "./badge";
import { checkForBadge } from "./checks";
import { isWebUrl } from "./url";

interface Asked {
  answer: Promise<Outcome>;
  badges: Set<Badge>;
}

export class Asks {
  /** The unanswered ones, by URL. */
  private readonly open = new Map<string, Asked>();

  /**
   * Check a badge's image. A page asks about each URL once at a time.
   *
   * @param byUser whether the user asked for the check
   */
  ask(badge: Badge, byUser: boolean): Promise<Outcome> {
    const asked = this.open.get(badge.url) ?? this.start(badge, byUser);
    asked.badges.add(badge);
    return asked.answer;
  }

  /** A badge is gone. If no other one waits for its answer, the check is cancelled. */
  release(badge: Badge): void {
    const asked = this.open.get(badge.url);
    if (!asked?.badges.delete(badge) || asked.badges.size > 0) return;
    this.open.delete(badge.url);
    // The worker knows bytes by their hash, and soon sends them.
    if (isWebUrl(badge.url)) void tell({ kind: "cancel", url: badge.url });
  }

  private start({ url, image }: Badge, byUser: boolean): Asked {
    const answer = checkForBadge({ url, image }, byUser);
    const asked = { answer, badges: new Set<Badge>() };
    this.open.set(url, asked);
    void answer.then(() => {
      if (this.open.get(url) === asked) this.open.delete(url);
    });
    return asked;
  }
}
