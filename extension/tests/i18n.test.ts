import { expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import messages from "../public/_locales/en/messages.json";
import { unavailable } from "../lib/verdict";
import * as i18n from "../lib/i18n";
import { classified, fact, verdict } from "./examples";

test.each([
  [0, "<\u00a01%"],
  [0.004, "<\u00a01%"],
  [0.01, "1%"],
  [0.5, "50%"],
  [0.934, "93%"],
  [0.99, "99%"],
  [0.9901, ">\u00a099%"],
  [1, ">\u00a099%"],
])("a probability of %d is %s: never nothing and never certain", (probability, said) => {
  expect(i18n.percent(probability)).toBe(said);
});

test("the browser is asked once for a text, whatever its values, and values stay as they are", () => {
  const getMessage = vi.fn((name: string, parts: string[]) => `${name}: ${parts[0]}, ${parts[1]}`);
  Object.assign(fakeBrowser.i18n, { getMessage });
  expect(i18n.text("new_text", "a", "$1")).toBe("new_text: a, $1");
  expect(i18n.text("new_text", "$2", "b")).toBe("new_text: $2, b");
  expect(getMessage.mock.calls.filter(([name]) => name === "new_text")).toHaveLength(1);
});

test.each([
  ["ai", "Few real images get such a high probability."],
  ["uncertain", "Assay cannot tell whether the image is AI-made."],
  ["real", "Assay found no sign of AI. Some AI images have none."],
] as const)("what %s means is said without claiming more", (label, said) => {
  expect(i18n.meaning(verdict({ label }))).toBe(said);
});

test("texts speak of no number of models, because one or several may have been asked", () => {
  const texts = Object.entries(messages).filter(([name]) => /^(meaning|state|leans)_/.test(name));
  expect(texts.length).toBeGreaterThan(8);
  for (const [, { message }] of texts) expect(message).not.toMatch(/\bmodels?\b/i);
});

test.each([
  [undefined, { word: "Checking…", extra: "" }],
  [classified(), { word: "Likely AI", extra: "93%" }],
  [classified({ label: "uncertain", probability: 0.5 }), { word: "Uncertain", extra: "50%" }],
  [
    classified({ label: "uncertain", lean: "ai", probability: 0.7 }),
    { word: "Uncertain, leans AI", extra: "70%" },
  ],
  [
    classified({ label: "uncertain", lean: "real", probability: 0.3 }),
    { word: "Uncertain, leans not AI", extra: "30%" },
  ],
  [classified({ label: "real", probability: 0.04 }), { word: "No sign of AI", extra: "" }],
  [classified({ decided_by: "credentials", probability: 0.12 }), { word: "Likely AI", extra: "signed" }],
  [classified({ decided_by: "marks", probability: 0.7 }), { word: "Likely AI", extra: "marked" }],
  [classified({ label: "real", decided_by: "credentials" }), { word: "No sign of AI", extra: "" }],
  [unavailable("timeout"), { word: "Unavailable", extra: "site too slow" }],
])("a badge says no more than is known: %#", (outcome, said) => {
  expect(i18n.badgeWords(outcome)).toEqual(said);
});

test.each([
  [undefined, "a cat", "Checking: image “a cat”"],
  [classified(), " a cat ", "Likely AI, 93% probability of AI: image “a cat”"],
  [
    classified({ label: "real", probability: 0.04 }),
    "",
    "No sign of AI, 4% probability of AI: image without a description",
  ],
  [
    classified({ decided_by: "credentials", probability: 0.12 }),
    "a cat",
    "Likely AI, signed: image “a cat”",
  ],
  [unavailable("blocked_address"), "", "Unavailable, private address: image without a description"],
])("a badge's name tells state, probability and image: %#", (outcome, alt, name) => {
  expect(i18n.badgeName(outcome, alt)).toBe(name);
});

const SERVER_CODES = `blocked_address bad_url dns_failure connect_failure timeout http_status
  too_many_redirects too_large not_an_image unsupported_format too_small too_many_pixels
  corrupt_image internal`.split(/\s+/);
const OWN_CODES = `server_unreachable server_refused server_error server_not_ready not_assay
  key_missing key_wrong quota_too_small quota_spent overloaded interrupted unreadable access_needed
  no_image not_known nothing_pointed other`.split(/\s+/);

test.each([...SERVER_CODES, ...OWN_CODES])("%s has a reason and something to do", (code) => {
  expect(messages).toHaveProperty(`reason_${code}`);
  expect(messages).toHaveProperty(`help_${code}`);
});

test("a code that a newer server adds has words too", () => {
  expect(i18n.reason({ code: "moon_phase", detail: "" })).toBe("unknown reason");
  expect(i18n.help({ code: "moon_phase", detail: "" })).toBe("Try again later.");
});

test("members and evidence of unknown kinds are called by their own names", () => {
  expect(i18n.memberName("efficientnet")).toBe("EfficientNet");
  expect(i18n.memberName("clip")).toBe("CLIP, all layers");
  expect(i18n.memberName("vit")).toBe("vit");
  const evidence = fact({ kind: "watermark" });
  expect(i18n.evidenceSource(evidence)).toBe("watermark, no trusted signature");
  expect(i18n.evidenceSource({ ...evidence, kind: "c2pa", trusted: true })).toBe(
    "Content Credentials, trusted signature",
  );
});

test("a fact of a known kind is told in the user's language, any other one as the server says it", () => {
  const told = fact({
    trusted: true,
    origin: "generated",
    signer: "<b>Example Inc.</b>",
    generator: "Painter 3",
    signed_at: "soon",
  });
  expect(i18n.evidenceFacts(told)).toEqual([
    "Created by a generative model",
    "Signed by <b>Example Inc.</b>",
    "Signed on soon",
    "Program: Painter 3",
  ]);
  expect(i18n.evidenceFacts(fact({ origin: "dreamt" }))).toEqual([]);
  expect(i18n.evidenceFacts(fact({ generator: "Painter 3" }))).toEqual([]);
});

test("what was judged is told, with its frame where there are several", () => {
  expect(i18n.imageSummary(verdict())).toBe("640 × 480 pixels, JPEG");
  const image = { ...verdict().image, format: "gif", frames: 12 };
  expect(i18n.imageSummary(verdict({ image }))).toBe(
    "640 × 480 pixels, GIF · frame 1 of 12",
  );
});
