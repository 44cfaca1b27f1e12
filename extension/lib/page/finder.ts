/** Finds the elements of a page that may show a picture, in all its trees, and when they change. */

import { hasBackground } from "./background";
import { IdleVisits } from "./idle";
import { isMedia, mayGetRoot, mediaIn, shadowRootOf } from "./tree";

/** Attributes that change an element's own image file. */
const OWN = ["href", "media", "poster", "sizes", "src", "srcset", "type"];

/** Attributes that change backgrounds. */
const STYLING = ["class", "style"];

/** Milliseconds between two looks for shadow roots. Pages may attach them without an event. */
const BEAT = 2000;

export interface FinderEvents {
  /** This element may show a picture, or may show another than before. */
  offer: (element: Element) => void;
  /** The page has changed. Elements may be gone or have moved. */
  changed: () => void;
}

export class Finder {
  private readonly changes = new MutationObserver((records) => this.onChanges(records));
  private readonly visits = new IdleVisits((element) => this.visit(element));
  /** The shadow roots of the page. */
  private readonly roots = new Set<ShadowRoot>();
  /** Elements without a shadow root that may get one. */
  private readonly futureHosts = new Set<Element>();
  /** Elements that had a background when they were visited. */
  private readonly withBackground = new WeakSet<Element>();
  private beat: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly events: FinderEvents) {}

  start(): void {
    this.observe(document);
    this.visits.add(document, true);
    document.addEventListener("load", this.onLoad, true);
    this.beat = setInterval(() => this.lookForRoots(), BEAT);
  }

  stop(): void {
    this.changes.disconnect();
    this.visits.stop();
    this.roots.clear();
    this.futureHosts.clear();
    document.removeEventListener("load", this.onLoad, true);
    clearInterval(this.beat);
  }

  /** Offer the media in a tree now, and observe its changes. */
  private observe(tree: Document | ShadowRoot): void {
    this.changes.observe(tree, {
      subtree: true,
      childList: true,
      attributes: true,
      attributeFilter: [...OWN, ...STYLING],
    });
    mediaIn(tree).forEach(this.events.offer);
  }

  private visit(element: Element): ShadowRoot | null {
    const root = shadowRootOf(element);
    if (root && !this.roots.has(root)) {
      this.roots.add(root);
      this.observe(root);
    }
    if (!root && mayGetRoot(element)) this.futureHosts.add(element);
    const had = this.withBackground.has(element);
    const has = hasBackground(element);
    if (has) this.withBackground.add(element);
    else this.withBackground.delete(element);
    if (has || had || isMedia(element)) this.events.offer(element);
    return root;
  }

  private onChanges(records: MutationRecord[]): void {
    for (const { type, target, attributeName, addedNodes } of records) {
      if (isStyleSheet(target)) this.visits.add(document, true);
      if (type === "attributes") {
        this.onAttribute(target as Element, attributeName ?? "");
        continue;
      }
      for (const node of addedNodes) {
        if (!node.isConnected || !(node instanceof Element)) continue;
        // Media are offered at once. Backgrounds and shadow roots are looked for in idle time.
        mediaIn(node).forEach(this.events.offer);
        this.visits.add(node, true);
        if (isStyleSheet(node)) this.visits.add(document, true);
      }
    }
    this.events.changed();
  }

  private onAttribute(element: Element, name: string): void {
    if (!STYLING.includes(name)) {
      const shown = element instanceof HTMLSourceElement ? element.parentElement : element;
      if (shown) mediaIn(shown).forEach(this.events.offer);
      return;
    }
    // A class often changes the styles of all elements within. Scripts that animate set `style`.
    this.visits.add(element, name === "class");
  }

  /** A style sheet may give any element a background. */
  private readonly onLoad = ({ target }: Event): void => {
    if (target instanceof Node && isStyleSheet(target)) this.visits.add(document, true);
  };

  private lookForRoots(): void {
    for (const root of this.roots) {
      if (!root.isConnected) this.roots.delete(root);
    }
    for (const host of this.futureHosts) {
      const root = shadowRootOf(host);
      if (root) this.visits.add(host, true);
      if (root || !host.isConnected || !mayGetRoot(host)) this.futureHosts.delete(host);
    }
  }
}

function isStyleSheet(node: Node): boolean {
  return (
    node instanceof HTMLStyleElement ||
    (node instanceof HTMLLinkElement && node.relList.contains("stylesheet"))
  );
}
