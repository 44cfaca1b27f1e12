/** Visits the elements of parts of a page, in the time that the page leaves. */

/** Milliseconds until a part is visited, so that changes are gathered. */
const PAUSE = 100;

/** Milliseconds until elements are visited although the page is busy. */
const TIMEOUT = 1000;

/** Milliseconds of work in such a case. */
const BUSY_WORK = 5;

/** Each pause is longer by this many times the work before it, so no page is slowed down much. */
const REST = 10;

/** Elements between two looks at the clock. */
const CHUNK = 50;

/** Wait until the page is idle, though not for long. */
export function idleTime(): Promise<void> {
  return new Promise((resolve) => requestIdleCallback(() => resolve(), { timeout: TIMEOUT }));
}

export class IdleVisits {
  /** The parts to visit, and whether with everything in them. */
  private readonly parts = new Map<ParentNode, boolean>();
  private visiting: Generator<void> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private idle: number | undefined;
  private pause = PAUSE;

  /** @param visit returns the shadow root of the element, if that is to be visited, too */
  constructor(private readonly visit: (element: Element) => ShadowRoot | null) {}

  /** Visit an element or root soon, alone or with all elements in it. */
  add(part: ParentNode, deep: boolean): void {
    this.parts.set(part, deep || this.parts.get(part) === true);
    this.start();
  }

  stop(): void {
    clearTimeout(this.timer);
    if (this.idle !== undefined) cancelIdleCallback(this.idle);
    this.timer = this.idle = this.visiting = undefined;
    this.parts.clear();
  }

  private start(): void {
    if (this.visiting || this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.visiting = this.visitAll();
      this.pause = PAUSE;
      this.continue();
    }, this.pause);
  }

  private continue(): void {
    this.idle = requestIdleCallback((deadline) => this.work(deadline), { timeout: TIMEOUT });
  }

  private work(deadline: IdleDeadline): void {
    const started = performance.now();
    const end = started + (deadline.didTimeout ? BUSY_WORK : deadline.timeRemaining());
    let isDone = false;
    while (!isDone && performance.now() < end) isDone = this.visitSome();
    this.pause += (performance.now() - started) * REST;
    this.idle = undefined;
    if (!isDone) return this.continue();
    this.visiting = undefined;
    if (this.parts.size > 0) this.start();
  }

  /** Visit some elements. Returns whether there are no more. */
  private visitSome(): boolean {
    for (let count = 0; count < CHUNK; count++) {
      if (this.visiting?.next().done !== false) return true;
    }
    return false;
  }

  /** Visits one element each time that it is resumed. */
  private *visitAll(): Generator<void> {
    const seen = new Set<Element>();
    // What changes meanwhile has its turn after a pause. Shadow roots are visited at once.
    const parts = [...this.parts];
    this.parts.clear();
    for (const [part, deep] of parts) {
      const inside = deep ? part.querySelectorAll("*") : [];
      for (const element of part instanceof Element ? [part, ...inside] : inside) {
        if (seen.has(element) || !element.isConnected) continue;
        seen.add(element);
        const root = this.visit(element);
        if (root && deep) parts.push([root, true]);
        yield;
      }
    }
  }
}
