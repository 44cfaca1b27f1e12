import { readFileSync } from "node:fs";
import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { direction, language, percent, text } from "../lib/i18n";
import {
  chooseLanguage,
  chosenLanguage,
  loadLanguage,
  onLanguage,
  refreshLanguage,
} from "../lib/language";
import { showLanguage, startLanguageMenu } from "../lib/language_menu";
import { make } from "../lib/dom";
import { localise } from "../lib/localise";
import { createMenu, translateMenu } from "../lib/worker/menu";

type Messages = Record<string, { message: string }>;

/** The texts of the installed version, if they differ from the files. */
let update: (messages: Messages) => void;

beforeEach(async () => {
  update = () => {};
  Object.assign(fakeBrowser.runtime, { getURL: (path: string) => `public${path}` });
  vi.stubGlobal("fetch", async (path: string) => {
    const messages: Messages = JSON.parse(readFileSync(path, "utf8"));
    if (!path.includes("/en/")) update(messages);
    return Response.json(messages);
  });
  await loadLanguage();
});

test("texts are in the browser's language until the user chooses one, and again after that", async () => {
  expect([chosenLanguage(), text("card_close")]).toEqual(["", "Close"]);
  await chooseLanguage("de");
  await loadLanguage();
  expect([chosenLanguage(), text("card_close")]).toEqual(["de", "Schließen"]);
  expect(text("history_count", "3", "120")).toBe("3 von 120 Bildern");
  expect(percent(0.93)).toBe("93\u00a0%");
  await chooseLanguage("");
  await loadLanguage();
  expect([chosenLanguage(), text("card_close")]).toEqual(["", "Close"]);
});

test("Arabic is written from right to left", async () => {
  await chooseLanguage("ar");
  await loadLanguage();
  expect([language(), direction()]).toEqual(["ar", "rtl"]);
  // Isolated, as otherwise its parts would change places.
  expect(text("image_model", "2026-11-01")).toBe("النموذج \u20682026-11-01\u2069");
});

test("a text that a language lacks is English, and one that is nowhere is empty", async () => {
  update = (messages) => delete messages.card_close;
  await chooseLanguage("de");
  await loadLanguage();
  expect([text("card_close"), text("card_again"), text("reason_new")]).toEqual([
    "Close",
    "Erneut versuchen",
    "",
  ]);
});

test("values are used as they are", async () => {
  await chooseLanguage("ja");
  await loadLanguage();
  expect(text("image_named", "$2 $& $ALT$")).toBe("画像「$2 $& $ALT$」");
});

test("an update of the extension brings its texts", async () => {
  await chooseLanguage("de");
  update = (messages) => (messages.card_close!.message = "Neu");
  await refreshLanguage();
  await loadLanguage();
  expect(text("card_close")).toBe("Neu");
});

test("a choice is told, with the texts at hand, and other changes of the storage are not", async () => {
  const told = vi.fn(() => text("card_close"));
  const stop = onLanguage(told);
  await fakeBrowser.storage.local.set({ history: false });
  expect(told).not.toHaveBeenCalled();
  await chooseLanguage("fr");
  expect(told).toHaveLastReturnedWith("Fermer");
  await chooseLanguage("");
  expect(told).toHaveLastReturnedWith("Close");
  stop();
  await chooseLanguage("fr");
  expect(told).toHaveBeenCalledTimes(2);
});

test("a page of the extension follows the choice at once", async () => {
  document.body.innerHTML = `<p data-i18n="card_close"></p><input data-placeholder="history_search">`;
  const redraw = vi.fn();
  await localise(document, redraw);
  const seen = () => {
    const { lang, dir } = document.documentElement;
    const { placeholder } = document.querySelector("input")!;
    return [lang, dir, document.querySelector("p")!.textContent, placeholder];
  };
  expect(seen()).toEqual(["en", "ltr", "Close", "Search the history"]);
  expect(redraw).not.toHaveBeenCalled();
  await chooseLanguage("ar");
  expect(seen()).toEqual(["ar", "rtl", "إغلاق", "البحث في السجل"]);
  expect(redraw).toHaveBeenCalledOnce();
});

test("the menu of the options names each language in itself, and applies the choice", async () => {
  const menu = make("select", "", make("option", "", "Browser’s language"));
  menu.options[0]!.value = "";
  startLanguageMenu(menu);
  const names = [...menu.options].map(({ textContent }) => textContent);
  expect(names.slice(1)).toEqual(["العربية", "Deutsch", "English", "Español", "Français", "日本語"]);
  expect(menu.value).toBe("");
  menu.value = "es";
  menu.dispatchEvent(new Event("change"));
  await vi.waitFor(async () => {
    await loadLanguage();
    expect(chosenLanguage()).toBe("es");
  });
  await chooseLanguage("ja");
  await loadLanguage();
  showLanguage(menu);
  expect(menu.value).toBe("ja");
});

test("the context menu follows the choice", async () => {
  const create = vi.fn();
  const change = vi.fn();
  Object.assign(fakeBrowser.contextMenus, { create, update: change });
  await createMenu();
  const ids = create.mock.calls.map(([{ id }]) => id);
  await chooseLanguage("de");
  await translateMenu();
  expect(change.mock.calls.map(([id]) => id).sort()).toEqual(ids.sort());
  expect(change).toHaveBeenCalledWith("check-image", { title: "Bild prüfen" });
});
