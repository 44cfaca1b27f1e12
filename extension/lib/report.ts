/** What a page tells the popup about its images. Each frame has a report of its own. */

import type { State, Verdict } from "./verdict";

/** The name of the ports between the popup and the frames of a page. */
export const POPUP_PORT = "popup";

/** An image that is likely AI-made. */
export interface FlaggedImage extends Pick<Verdict, "probability" | "decided_by"> {
  id: number;
  /** Its address on the web. Empty if it has none. */
  url: string;
  /** Its description for people who cannot see it. May be empty. */
  alt: string;
}

export type Counts = Record<State, number>;

export interface Findings {
  counts: Counts;
  flagged: FlaggedImage[];
}

export interface Report extends Findings {
  isTop: boolean;
  host: string;
  origin: string;
}

/** From a frame to the popup. */
export interface FrameReport {
  /** Identifies the frame. */
  frame: string;
  report: Report;
}

/** From the popup to the frames of a page: scroll to an image of one of them. */
export interface ShowImage {
  frame: string;
  image: number;
}

export function noCounts(): Counts {
  return { ai: 0, uncertain: 0, real: 0, unavailable: 0, unknown: 0, checking: 0 };
}

/** The counts of all frames together. */
export function sumCounts(reports: Iterable<Findings>): Counts {
  const sum = noCounts();
  for (const { counts } of reports) {
    for (const state of Object.keys(sum) as State[]) sum[state] += counts[state];
  }
  return sum;
}
