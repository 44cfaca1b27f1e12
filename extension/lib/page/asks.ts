/** What a page has asked the service worker for its badges. */

import { ask, tell } from "../messages";
import type { Outcome } from "../verdict";
import type { Badge } from "./badge";

interface Asked {
  answer: Promise<Outcome>;
  badges: Set<Badge>;
}

export class Asks {
  /** The unanswered ones, by URL. */
  private readonly open = new Map<string, Asked>();

  /** Check a badge's image. A page asks about each URL once at a time. */
  ask(badge: Badge): Promise<Outcome> {
    const asked = this.open.get(badge.url) ?? this.start(badge.url);
    asked.badges.add(badge);
    return asked.answer;
  }

  /** A badge is gone. If no other one waits for its answer, the check is cancelled. */
  release(badge: Badge): void {
    const asked = this.open.get(badge.url);
    if (!asked?.badges.delete(badge) || asked.badges.size > 0) return;
    this.open.delete(badge.url);
    void tell({ kind: "cancel", url: badge.url });
  }

  private start(url: string): Asked {
    const answer = ask({ kind: "check-url", url });
    const asked = { answer, badges: new Set<Badge>() };
    this.open.set(url, asked);
    void answer.then(() => {
      if (this.open.get(url) === asked) this.open.delete(url);
    });
    return asked;
  }
}
