import { expect, test } from "vitest";
import { asWanted, sampleOutcome } from "../lib/strictness";
import { stateOf } from "../lib/verdict";
import { badgeWords, outcomeWord } from "../lib/i18n";
import { classified, fact } from "./examples";

const SIGNED = fact({ trusted: true });

test.each([
  [0, "ai"],
  [0.9, "ai"],
  [0.93, "ai"],
  [0.95, "uncertain"],
] as const)("with the own threshold %s, 93%% is %s", (own, state) => {
  expect(stateOf(asWanted(classified({ probability: 0.93 }), own))).toBe(state);
});

test("what is below the own threshold is uncertain and leans AI, and says why", () => {
  const wanted = asWanted(classified(), 0.95);
  expect(outcomeWord(wanted)).toBe("Uncertain, leans AI");
  expect(wanted).toMatchObject({ verdict: { probability: 0.93, ownThreshold: 0.95 } });
});

test.each(["uncertain", "real"] as const)("the own threshold never flags what is %s", (label) => {
  const outcome = classified({ label, probability: 0.97 });
  expect(asWanted(outcome, 0.9)).toBe(outcome);
});

test("an image whose trusted signature says AI stays flagged", () => {
  const outcome = classified({ evidence: [SIGNED] });
  expect(asWanted(outcome, 0.99)).toBe(outcome);
  const unsigned = classified({ evidence: [{ ...SIGNED, trusted: false }] });
  expect(stateOf(asWanted(unsigned, 0.99))).toBe("uncertain");
});

test("a label that credentials decided stays, also where a look-up tells no evidence", () => {
  const outcome = classified({ decided_by: "credentials", probability: 0.12 });
  expect(asWanted(outcome, 0.99)).toBe(outcome);
});

test("a label that unsigned marks decided falls below the own threshold", () => {
  const wanted = asWanted(classified({ decided_by: "marks", probability: 0.7 }), 0.9);
  expect(badgeWords(wanted)).toEqual({ word: "Uncertain, leans AI", extra: "70%" });
});

test.each([
  [0.2, "No sign of AI"],
  [0.24, "Uncertain, leans not AI"],
  [0.5, "Uncertain"],
  [0.7, "Uncertain, leans AI"],
  [0.806, "Likely AI"],
])("a sample of %s is labelled as the server does: %s", (probability, word) => {
  const thresholds = { real: 0.24, ai: 0.806 };
  expect(outcomeWord(sampleOutcome(probability, thresholds))).toBe(word);
});
