import { expect, test } from "vitest";
import messages from "../public/_locales/en/messages.json";
import { unavailable } from "../lib/verdict";
import * as words from "../lib/words";
import { judged, verdict } from "./examples";

test.each([
  [0, "< 1%"],
  [0.004, "< 1%"],
  [0.01, "1%"],
  [0.5, "50%"],
  [0.934, "93%"],
  [0.99, "99%"],
  [0.9901, "> 99%"],
  [1, "> 99%"],
])("a probability of %d is %s: never nothing and never certain", (probability, said) => {
  expect(words.percent(probability)).toBe(said);
});

test.each([
  ["ai", "Few images made by people measure so high."],
  ["uncertain", "The models cannot tell."],
  ["real", "The models saw no trace of AI. Some AI images leave none."],
] as const)("what %s means is said without claiming more", (label, said) => {
  expect(words.meaning(verdict({ label }))).toBe(said);
});

test.each([
  [undefined, { word: "Checking…", extra: "" }],
  [judged(), { word: "Likely AI", extra: "93%" }],
  [judged({ label: "uncertain", probability: 0.5 }), { word: "Uncertain", extra: "50%" }],
  [judged({ label: "real", probability: 0.04 }), { word: "No sign of AI", extra: "" }],
  [unavailable("timeout"), { word: "Unavailable", extra: "site too slow" }],
])("a badge says no more than is known: %#", (outcome, said) => {
  expect(words.badgeWords(outcome)).toEqual(said);
});

test.each([
  [undefined, "a cat", "Checking: image “a cat”"],
  [judged(), " a cat ", "Likely AI, 93% probability of AI: image “a cat”"],
  [
    judged({ label: "real", probability: 0.04 }),
    "",
    "No sign of AI, 4% probability of AI: image without a description",
  ],
  [unavailable("blocked_address"), "", "Unavailable, private address: image without a description"],
])("a badge's name tells state, probability and image: %#", (outcome, alt, name) => {
  expect(words.badgeName(outcome, alt)).toBe(name);
});

const SERVER_CODES = `blocked_address bad_url dns_failure connect_failure timeout http_status
  too_many_redirects too_large not_an_image unsupported_format too_small too_many_pixels
  corrupt_image overloaded internal`.split(/\s+/);
const OWN_CODES = `server_unreachable server_refused server_error server_not_ready not_assay
  interrupted unreadable access_needed other`.split(/\s+/);

test.each([...SERVER_CODES, ...OWN_CODES])("%s has a reason and something to do", (code) => {
  expect(messages).toHaveProperty(`reason_${code}`);
  expect(messages).toHaveProperty(`help_${code}`);
});

test("a code that a newer server adds has words too", () => {
  expect(words.reason({ code: "moon_phase", detail: "" })).toBe("not known why");
  expect(words.help({ code: "moon_phase", detail: "" })).toBe("Try again later.");
});

test("members and evidence of unknown kinds are called by their own names", () => {
  expect(words.memberName("efficientnet")).toBe("EfficientNet");
  expect(words.memberName("clip")).toBe("CLIP");
  expect(words.memberName("vit")).toBe("vit");
  const evidence = { kind: "watermark", says: "ai", detail: "", trusted: false };
  expect(words.evidenceSource(evidence)).toBe("watermark, not vouched for by a trusted signature");
  expect(words.evidenceSource({ ...evidence, kind: "c2pa", trusted: true })).toBe(
    "Content Credentials, signed by a trusted party",
  );
});

test("what was judged is told, with its frame where there are several", () => {
  expect(words.judgedImage(verdict())).toBe("640 × 480 pixels, JPEG");
  const image = { ...verdict().image, format: "gif", frames: 12 };
  expect(words.judgedImage(verdict({ image }))).toBe(
    "640 × 480 pixels, GIF · the first of 12 frames",
  );
});
