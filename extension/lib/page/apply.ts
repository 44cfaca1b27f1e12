/** Applies the settings to a page: now, after each change, after "back", and when a pause ends. */

import { loadLanguage, onLanguage } from "../language";
import { badgesEnabled, isPaused, loadSettings, onSettings, type Settings } from "../settings";
import type { Page } from "./page";

/** Longest delay of a timer, in milliseconds. A longer one would end at once. */
const LONGEST_DELAY = 2 ** 31 - 1;

/** Apply the settings from now on. Returns a function that stops it. */
export function applySettings(page: Pick<Page, "setBadges" | "setLook" | "localise">): () => void {
  let pause: ReturnType<typeof setTimeout> | undefined;
  const apply = (settings: Settings) => {
    page.setLook(settings);
    page.setBadges(badgesEnabled(settings, window));
    clearTimeout(pause);
    const rest = settings.pausedUntil - Date.now();
    if (isPaused(settings) && rest <= LONGEST_DELAY) pause = setTimeout(() => apply(settings), rest);
  };
  const load = async () => {
    const [settings] = await Promise.all([loadSettings(), loadLanguage()]);
    page.localise();
    apply(settings);
  };
  const onPageShow = ({ persisted }: PageTransitionEvent) => {
    if (!persisted) return;
    // While the browser kept the page for "back", it may have missed answers and settings.
    page.setBadges(false);
    void load();
  };
  const stops = [onSettings(apply), onLanguage(() => page.localise())];
  window.addEventListener("pageshow", onPageShow);
  void load();
  return () => {
    for (const stop of stops) stop();
    window.removeEventListener("pageshow", onPageShow);
    clearTimeout(pause);
  };
}
