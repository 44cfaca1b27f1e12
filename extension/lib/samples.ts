/** The preview of the options page: how images are labelled, by their probability. */

import { make } from "./dom";
import { outcomeWord, percent } from "./i18n";
import { drawMark } from "./page/mark";
import { asWanted, sampleOutcome } from "./strictness";
import { stateOf, type Thresholds } from "./verdict";

/** Probabilities on both sides of each threshold that there is to choose. */
const SAMPLES = [0.05, 0.3, 0.6, 0.85, 0.92, 0.97, 0.995];

/** Draw a label for each sample, with the server's thresholds and the user's own. */
export function drawSamples(thresholds: Thresholds, ownThreshold: number): HTMLLIElement[] {
  return SAMPLES.map((probability) => {
    const outcome = asWanted(sampleOutcome(probability, thresholds), ownThreshold);
    const state = stateOf(outcome);
    const label = make("span", "label", outcomeWord(outcome));
    label.prepend(drawMark(state));
    const element = make("li", "", make("span", "percent", percent(probability)), " ", label);
    element.dataset.state = state;
    return element;
  });
}
