/**
 * The language that the user has chosen. `browser.i18n` only knows the browser's. So the texts of
 * the chosen language are kept in the browser's local storage, where content scripts read them, too.
 * Web pages thus need no access to the extension's files. With such access they could detect it.
 */

import { browser } from "wxt/browser";

/** The languages that there are texts for, by their folder in `_locales`. */
export const LANGUAGES = ["ar", "de", "en", "es", "fr", "ja"] as const;

export type Language = (typeof LANGUAGES)[number];

/** The key in the storage. Without an entry, texts are in the browser's language. */
const KEY = "language";

interface Chosen {
  name: Language;
  /** The texts by the names of their messages. `$1` to `$9` stand for values. */
  texts: Record<string, string>;
}

/** A file of `_locales`. */
type Messages = Record<string, { message: string; placeholders?: Record<string, { content: string }> }>;

let chosen: Chosen | undefined;

/** The chosen language. Empty: the browser's. */
export function chosenLanguage(): Language | "" {
  return chosen?.name ?? "";
}

/** A text in the chosen language, as it is kept. Undefined if no language is chosen. */
export function chosenPattern(name: string): string | undefined {
  return chosen && (chosen.texts[name] ?? "");
}

/** Choose a language for all parts of the extension. Empty: the browser's. */
export async function chooseLanguage(name: Language | ""): Promise<void> {
  if (name) await browser.storage.local.set({ [KEY]: await readChosen(name) });
  else await browser.storage.local.remove(KEY);
}

/** Read the texts of the chosen language again: an update of the extension may have changed them. */
export async function refreshLanguage(): Promise<void> {
  await loadLanguage();
  await chooseLanguage(chosenLanguage());
}

/** Load the texts of the chosen language. Until then, texts are in the browser's. */
export async function loadLanguage(): Promise<void> {
  const stored = await browser.storage.local.get<Record<string, Chosen | undefined>>(KEY);
  chosen = stored[KEY];
}

/** Call back after each choice of a language. Returns a function that stops it. */
export function onLanguage(callback: () => void): () => void {
  const listener = ({ [KEY]: change }: Record<string, { newValue?: unknown }>) => {
    if (!change) return;
    chosen = change.newValue as Chosen | undefined;
    callback();
  };
  browser.storage.local.onChanged.addListener(listener);
  return () => browser.storage.local.onChanged.removeListener(listener);
}

/** The texts of a language. Those that it lacks are English, as in the browser. */
async function readChosen(name: Language): Promise<Chosen> {
  const [english, own] = await Promise.all([readMessages("en"), readMessages(name)]);
  const texts = Object.entries({ ...english, ...own }).map(([key, message]) => [key, pattern(message)]);
  return { name, texts: Object.fromEntries(texts) };
}

async function readMessages(name: Language): Promise<Messages> {
  const file = await fetch(browser.runtime.getURL(`/_locales/${name}/messages.json`));
  return file.json();
}

/** A message with `$1` in the place of the first value's name. Names are not case-sensitive. */
function pattern({ message, placeholders = {} }: Messages[string]): string {
  return message.replace(/\$(\w+)\$/g, (_, name: string) => placeholders[name.toLowerCase()]!.content);
}
