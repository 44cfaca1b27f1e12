/** Tries again when the server may be asked again, but not while the page is hidden. */

/** Milliseconds by which the service worker's clock may be late. */
const MARGIN = 100;

export class Retry {
  private time: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether a try waits for the page to be seen. */
  private due = false;

  constructor(private readonly run: () => void) {
    document.addEventListener("visibilitychange", this.onVisibility);
  }

  /** Try again at a time, in milliseconds since the epoch, and not before. */
  at(time: number): void {
    if (time === this.time) return;
    this.cancel();
    this.time = time;
    this.timer = setTimeout(() => this.now(), Math.max(time - Date.now(), 0) + MARGIN);
  }

  /** Try again now. */
  now(): void {
    this.cancel();
    this.due = document.hidden;
    if (!this.due) this.run();
  }

  stop(): void {
    this.cancel();
    document.removeEventListener("visibilitychange", this.onVisibility);
  }

  private cancel(): void {
    clearTimeout(this.timer);
    this.time = undefined;
  }

  private readonly onVisibility = (): void => {
    if (this.due && !document.hidden) this.now();
  };
}
