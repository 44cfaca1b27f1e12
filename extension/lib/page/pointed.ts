/** Finds the image in focus or under the pointer, for a keyboard command. */

import type { Subject } from "./checks";
import type { Point } from "./positions";
import type { Layer } from "./stack";
import { firstPicture, seenAt, type Target, targetOf, under } from "./target";
import type { Transparencies } from "./transparency";
import { allElements, shadowRootOf } from "./tree";

export class Pointed {
  private at: Point | undefined;

  /** @param ofBadge what a badge is about, if the element is one */
  constructor(
    private readonly transparencies: Transparencies,
    private readonly ofBadge: (element: Element) => Subject | undefined,
  ) {}

  start(): void {
    // In the capture phase, because some pages stop this event.
    window.addEventListener("pointermove", this.onMove, { capture: true, passive: true });
  }

  stop(): void {
    window.removeEventListener("pointermove", this.onMove, { capture: true });
  }

  /** The image in focus, else the one under the pointer. Undefined if there is none. */
  find(): Promise<Target> | undefined {
    return this.inFocus() ?? this.underPointer();
  }

  private inFocus(): Promise<Target> | undefined {
    const focused = focusedElement();
    if (!focused) return undefined;
    const subject = this.ofBadge(focused);
    if (subject?.image) {
      return Promise.resolve({ subject, box: subject.image.getBoundingClientRect() });
    }
    const only = onlyPictureIn(focused);
    return only && Promise.resolve(targetOf(only));
  }

  private underPointer(): Promise<Target> | undefined {
    const hovered = [...document.querySelectorAll(":hover")].at(-1);
    // The pointer is elsewhere, or in a frame, which looks for itself.
    if (!hovered || hovered instanceof HTMLIFrameElement) return undefined;
    const { at } = this;
    // Where the pointer is, is not known before it moves.
    const found = firstPicture(at ? under(at) : [hovered]);
    if (!found || !at) return found && Promise.resolve(targetOf(found));
    return seenAt(at, found, this.transparencies).then(targetOf);
  }

  private readonly onMove = ({ clientX, clientY }: PointerEvent): void => {
    this.at = { x: clientX, y: clientY };
  };
}

/** The focused element, also in shadow roots. */
function focusedElement(): Element | undefined {
  const rootOf = (element: Element) => element.shadowRoot ?? shadowRootOf(element);
  let focused = document.activeElement;
  for (let inner = focused; inner; inner = rootOf(inner)?.activeElement ?? null) focused = inner;
  return focused && focused !== document.body ? focused : undefined;
}

/** The picture of the only element in another one that shows any. */
function onlyPictureIn(element: Element): Layer | undefined {
  const inside = allElements(shadowRootOf(element) ?? element);
  const layers = [element, ...inside].flatMap((each) => firstPicture([each]) ?? []);
  return layers.length === 1 ? layers[0] : undefined;
}
