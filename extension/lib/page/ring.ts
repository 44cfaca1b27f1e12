/** A ring around an image, for a moment. */

import { make } from "../dom";

/** Milliseconds that the ring is seen. */
const TIME = 2500;

export class Ring {
  private readonly element = make("div", "ring");
  private image: Element | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;

  show(root: ShadowRoot, image: Element): void {
    this.image = image;
    root.append(this.element);
    this.follow();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.hide(), TIME);
  }

  /** Move the ring to its image, which may have moved. */
  follow(): void {
    const parent = this.element.parentNode;
    if (!this.image || !(parent instanceof ShadowRoot)) return;
    const box = this.image.getBoundingClientRect();
    const origin = parent.host.getBoundingClientRect();
    const { style } = this.element;
    style.translate = `${box.left - origin.left}px ${box.top - origin.top}px`;
    style.width = `${box.width}px`;
    style.height = `${box.height}px`;
  }

  private hide(): void {
    this.element.remove();
    this.image = undefined;
  }
}
