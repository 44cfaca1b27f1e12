/**
 * The user's own threshold of "Likely AI". It only changes how this browser shows labels, and only
 * makes them stricter: the server's was chosen so that few real images are flagged. With a lower one
 * more would be.
 */

import { classified, leanOf, type Outcome, type Thresholds, type Verdict } from "./verdict";

/** The choices of the user, as probabilities. 0 is the server's own threshold. */
export const OWN_THRESHOLDS = [0, 0.9, 0.95, 0.99] as const;

/** The outcome as the user wants it shown: below the own threshold it is not "ai". */
export function asWanted(outcome: Outcome, ownThreshold: number): Outcome;
export function asWanted(outcome: Outcome | undefined, ownThreshold: number): Outcome | undefined;
export function asWanted(outcome: Outcome | undefined, ownThreshold: number): Outcome | undefined {
  if (outcome?.state !== "classified") return outcome;
  const { verdict } = outcome;
  if (verdict.label !== "ai" || verdict.probability >= ownThreshold) return outcome;
  if (isSigned(verdict)) return outcome;
  return classified({ ...verdict, label: "uncertain", lean: "ai", ownThreshold });
}

/**
 * Whether a trusted signature says AI, which is no estimate. Verdicts from a look-up have no evidence,
 * but tell what decided. Unsigned marks can be forged, so the own threshold holds for these, too.
 */
function isSigned({ decided_by, evidence }: Verdict): boolean {
  if (decided_by === "credentials") return true;
  return evidence.some(({ says, trusted }) => trusted && says === "ai");
}

/** What the server would say of an image with this probability. */
export function sampleOutcome(probability: number, { real, ai }: Thresholds): Outcome {
  const label = probability >= ai ? "ai" : probability < real ? "real" : "uncertain";
  return classified({
    label,
    lean: leanOf(label, probability),
    probability,
    decided_by: "pixels",
    members: {},
    evidence: [],
    similar: [],
    image: { sha256: "", width: 0, height: 0, format: "", frames: 1 },
    model_version: "",
    checked_at: "",
    expires_at: "",
  });
}
