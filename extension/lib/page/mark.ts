/** The mark of each state: a drop that is fuller, the more likely the image is AI-made. */

import type { State } from "../verdict";

const SVG = "http://www.w3.org/2000/svg";

/** A drop in a square of 16 × 16. */
const DROP = "M8 1.2C8 1.2 3 6.6 3 10.1a5 5 0 0 0 10 0C13 6.6 8 1.2 8 1.2Z";

/** The lower half of the same drop. */
const HALF = "M3.2 9h9.6q.2.6.2 1.1a5 5 0 0 1-10 0q0-.5.2-1.1Z";

/** An exclamation mark inside the drop. */
const EXCLAMATION = "M8 6.4v3.4M8 12.1v.1";

const FILLS: Record<State, string | undefined> = {
  ai: DROP,
  uncertain: HALF,
  real: undefined,
  checking: undefined,
  unavailable: undefined,
  unknown: undefined,
};

/** A mark of each state that was drawn. To copy one is faster than to draw it. */
const drawn = new Map<State, SVGSVGElement>();

/** Draw the mark of a state. It is hidden from screen readers, which get text. */
export function drawMark(state: State): SVGSVGElement {
  const mark = drawn.get(state) ?? drawNew(state);
  drawn.set(state, mark);
  return mark.cloneNode(true) as SVGSVGElement;
}

function drawNew(state: State): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "mark");
  svg.setAttribute("aria-hidden", "true");
  svg.append(draw("outline", DROP));
  const fill = FILLS[state];
  if (fill) svg.append(draw("fill", fill));
  if (state === "unavailable") svg.append(draw("outline", EXCLAMATION));
  return svg;
}

function draw(className: string, data: string): SVGPathElement {
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("class", className);
  path.setAttribute("d", data);
  return path;
}
