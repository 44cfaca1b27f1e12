import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LANGUAGES } from "../lib/language";
import english from "../public/_locales/en/messages.json";

type Messages = Record<string, { message: string; placeholders?: Record<string, { content: string }> }>;

const FOLDER = "public/_locales";

/** Texts that are the same in some other languages. */
const SAME_WORDS = new Set([
  "$WIDTH$ × $HEIGHT$ pixels, $FORMAT$",
  "Badges",
  "Image",
  "Normal",
  "Options",
  "Page",
  "Pause",
  "Server",
]);

/** Names, which no language translates. */
const NAMES = /\b(?:Assay|Content Credentials|EfficientNet)\b/g;

const read = (language: string): Messages =>
  JSON.parse(readFileSync(`${FOLDER}/${language}/messages.json`, "utf8"));

const placeholdersIn = (message: string) =>
  [...message.matchAll(/\$(\w+)\$/g)].map(([, name]) => name!.toLowerCase()).sort();

const contentsOf = (placeholders: Record<string, { content: string }>) =>
  Object.fromEntries(Object.entries(placeholders).map(([name, { content }]) => [name, content]));

/** Whether there is anything to translate. */
const hasWords = (message: string) => /\p{L}/u.test(message.replace(/\$\w+\$/g, "").replace(NAMES, ""));

test("the options offer the languages that there are", () => {
  expect(readdirSync(FOLDER).sort()).toEqual([...LANGUAGES].sort());
});

test("every placeholder of an English message is in its text, and has an example", () => {
  for (const [name, { message, placeholders = {} }] of Object.entries<Messages[string]>(english)) {
    expect(placeholdersIn(message), name).toEqual(Object.keys(placeholders).sort());
    expect(Object.values(placeholders).every((each) => "example" in each), name).toBe(true);
  }
});

describe.each(LANGUAGES.filter((language) => language !== "en"))("%s", (language) => {
  const messages = read(language);

  test("has every message of English, in the same order, and no other", () => {
    expect(Object.keys(messages)).toEqual(Object.keys(english));
  });

  test("has the same values in each text, and no empty one", () => {
    for (const [name, original] of Object.entries<Messages[string]>(english)) {
      const { message, placeholders = {} } = messages[name]!;
      expect(message.trim(), name).toBe(message);
      expect(message, name).not.toBe("");
      expect(placeholdersIn(message), name).toEqual(placeholdersIn(original.message));
      expect(contentsOf(placeholders), name).toEqual(contentsOf(original.placeholders ?? {}));
    }
  });

  test("leaves nothing in English", () => {
    const left = Object.entries<Messages[string]>(english)
      .filter(([name, { message }]) => hasWords(message) && messages[name]?.message === message)
      .filter(([name, { message }]) => name !== "direction" && !SAME_WORDS.has(message));
    expect(left).toEqual([]);
  });

  test("says its own tag and direction", () => {
    expect(new Intl.Locale(messages.language!.message).language).toBe(language);
    expect(messages.direction!.message).toBe(language === "ar" ? "rtl" : "ltr");
  });

  test("has words for badges that are short enough for a small image", () => {
    const words = Object.entries(messages).filter(([name]) => /^(?:state|leans)_/.test(name));
    for (const [name, { message }] of words) expect(message.length, name).toBeLessThanOrEqual(34);
  });
});
