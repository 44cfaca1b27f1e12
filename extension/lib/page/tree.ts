/** The page as one tree, through its shadow roots. */

import { browser } from "wxt/browser";

/** The name of the element that holds our own badges and cards. */
export const OVERLAY = "assay-overlay";

/** Elements that show an image file of their own, without any style. */
const MEDIA = 'img, input[type="image"], video[poster], image';

/** The elements without a hyphen in their name that may have a shadow root. */
const HOSTS = new Set(
  "article aside blockquote div footer h1 h2 h3 h4 h5 h6 header main nav p section span".split(" "),
);

/** The elements of one tree that show an image file of their own, including the root itself. */
export function mediaIn(root: ParentNode): Element[] {
  const inside = [...root.querySelectorAll(MEDIA)];
  return root instanceof Element && isMedia(root) ? [root, ...inside] : inside;
}

export function isMedia(element: Element): boolean {
  return element.matches(MEDIA);
}

/** All elements of the page, through all shadow roots. */
export function* allElements(root: ParentNode = document): Generator<Element> {
  for (const element of root.querySelectorAll("*")) {
    yield element;
    const inner = shadowRootOf(element);
    if (inner) yield* allElements(inner);
  }
}

/** The elements at a point of the viewport, topmost first, through all shadow roots. */
export function* elementsAt(
  x: number,
  y: number,
  root: Document | ShadowRoot = document,
): Generator<Element> {
  for (const element of root.elementsFromPoint(x, y)) {
    // Some browsers also list what is around the shadow root.
    if (isOurs(element) || element.getRootNode() !== root) continue;
    const inner = shadowRootOf(element);
    if (inner) yield* elementsAt(x, y, inner);
    yield element;
  }
}

/** The shadow root of an element, open or closed. */
export function shadowRootOf(element: Element): ShadowRoot | null {
  if (isOurs(element)) return null;
  return element.shadowRoot ?? (mayGetRoot(element) ? closedRootOf(element) : null);
}

/**
 * Whether an element may have a closed shadow root, or get a root later: a custom element, or one
 * without content. Asking the browser about every element would take too long.
 */
export function mayGetRoot(element: Element): element is HTMLElement {
  if (!(element instanceof HTMLElement) || isOurs(element)) return false;
  const name = element.localName;
  return name.includes("-") || (!element.firstChild && HOSTS.has(name));
}

/** Whether an element is the one that we added. It is no part of the page. */
function isOurs(element: Element): boolean {
  return element.localName === OVERLAY;
}

/** Firefox has a property for this, and Chrome a function. Both are for extensions only. */
function closedRootOf(element: HTMLElement): ShadowRoot | null {
  if ("openOrClosedShadowRoot" in element) return element.openOrClosedShadowRoot as ShadowRoot | null;
  return browser.dom?.openOrClosedShadowRoot(element) ?? null;
}

/** The element around another as laid out: its slot, its parent, or the host of its root. */
export function parentOf(element: Element): Element | null {
  return element.assignedSlot ?? element.parentElement ?? hostOf(element);
}

/** Whether an element comes before another in the page. A host comes before what it contains. */
export function precedes(one: Element, other: Element): boolean {
  const [ones, others] = [hostsOf(one), hostsOf(other)];
  const level = ones.findIndex((host, index) => host !== others[index]);
  if (level < 0) return ones.length < others.length;
  const [a, b] = [ones[level]!, others[level]];
  return b ? (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0 : false;
}

/** An element and its hosts, outermost first. */
function hostsOf(element: Element): Element[] {
  const host = hostOf(element);
  return host ? [...hostsOf(host), element] : [element];
}

function hostOf(element: Element): Element | null {
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? root.host : null;
}
