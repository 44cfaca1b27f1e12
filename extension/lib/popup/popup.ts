/** The popup of the toolbar button: what is known about this page, and the most used settings. */

import { browser } from "wxt/browser";
import { testConnection } from "../connection";
import { make } from "../dom";
import { basis, language, number, text } from "../i18n";
import { tell } from "../messages";
import { type FlaggedImage, type Report, sumCounts } from "../report";
import {
  DEFAULTS,
  hostPattern,
  isPaused,
  isSiteOn,
  loadSettings,
  onSettings,
  saveSettings,
  type Settings,
  withSite,
} from "../settings";
import type { State } from "../verdict";
import { openHistory } from "../worker/history_panel";
import { PageLink } from "./link";

const HOUR = 60 * 60 * 1000;

/** The end of a pause that the user ends. JSON has no infinity. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** The states in the order in which their counts are shown. */
const STATES: readonly State[] = ["ai", "uncertain", "real", "unavailable", "unknown", "checking"];

export class Popup {
  private settings: Settings = DEFAULTS;
  private link: PageLink | undefined;
  /** The reports of the page's frames. Undefined until the page has answered. */
  private reports: ReadonlyMap<string, Report> | undefined;

  constructor(private readonly page: Document) {}

  /** Show what is known, and keep it up to date. */
  async start(): Promise<void> {
    this.settings = await loadSettings();
    onSettings((settings) => {
      this.settings = settings;
      this.draw();
    });
    this.listen();
    this.draw();
    const [tab] = await browser.tabs.query({ active: true, currentWindow: true });
    // Known before the click: an `await` after it would use it up.
    if (tab) this.element("history").addEventListener("click", () => void openHistory(tab));
    if (tab?.id !== undefined) this.linkTo(tab.id);
    await this.showServer();
  }

  /** Show everything again, in the chosen language. */
  localise(): void {
    this.draw();
    void this.showServer();
  }

  private linkTo(tab: number): void {
    this.link = new PageLink(tab, (reports) => {
      this.reports = reports;
      this.draw();
    });
    this.link.start();
  }

  private listen(): void {
    const onClick = (id: string, run: () => unknown) =>
      this.element(id).addEventListener("click", () => void run());
    onClick("check-page", () => this.link?.checkPage());
    onClick("pause-hour", () => saveSettings({ pausedUntil: Date.now() + HOUR }));
    onClick("pause-on", () => saveSettings({ pausedUntil: NEVER }));
    onClick("resume", () => saveSettings({ pausedUntil: 0 }));
    onClick("options", () => browser.runtime.openOptionsPage());
    const mode = this.element<HTMLSelectElement>("mode");
    mode.addEventListener("change", () => {
      void saveSettings({ mode: mode.value as Settings["mode"] });
    });
    const site = this.element<HTMLInputElement>("site-on");
    site.addEventListener("change", () => {
      void saveSettings(withSite(this.settings, this.top?.host ?? "", site.checked));
    });
  }

  /** The report of the page itself, which is around all frames. */
  private get top(): Report | undefined {
    return [...(this.reports?.values() ?? [])].find(({ isTop }) => isTop);
  }

  private draw(): void {
    this.element<HTMLSelectElement>("mode").value = this.settings.mode;
    this.element<HTMLAnchorElement>("console").href = `${this.settings.server}/`;
    this.drawPause();
    this.drawPage();
  }

  private drawPause(): void {
    const { mode, pausedUntil } = this.settings;
    const paused = isPaused(this.settings);
    this.element("pause").hidden = paused || mode === "manual";
    this.element("paused").hidden = !paused || mode === "manual";
    const time = new Date(pausedUntil).toLocaleTimeString(language(), { timeStyle: "short" });
    this.element("paused-until").textContent =
      pausedUntil === NEVER ? text("popup_paused") : text("popup_paused_until", time);
  }

  private drawPage(): void {
    const { reports, settings, top } = this;
    if (!reports) return;
    const isOwn = top?.origin === new URL(settings.server).origin;
    this.element("page").hidden = !top;
    this.element("no-page").textContent = top ? "" : text("popup_no_page");
    if (!top) return;
    if (isOwn) this.element("no-page").textContent = text("popup_own_page");
    const isOn = isSiteOn(settings, top.host);
    this.element("page-title").textContent = top.host;
    this.element("site").hidden = isOwn || settings.mode === "manual";
    this.element<HTMLInputElement>("site-on").checked = isOn;
    this.element("check-page").hidden = isOn && !isOwn && !isPaused(settings);
    this.drawCounts(reports.values());
    this.drawFlagged(reports);
  }

  private drawCounts(reports: Iterable<Report>): void {
    const counts = sumCounts(reports);
    const shown = STATES.filter((state) => counts[state] > 0);
    this.element("no-images").hidden = shown.length > 0;
    this.element("counts").replaceChildren(
      ...shown.map((state) => {
        const item = make("li", "", make("b", "", number(counts[state])), text(`state_${state}`));
        item.dataset.state = state;
        return item;
      }),
    );
  }

  private drawFlagged(reports: ReadonlyMap<string, Report>): void {
    const all = [...reports].flatMap(([frame, { flagged }]) =>
      flagged.map((image) => ({ frame, image })),
    );
    this.element("flagged").hidden = all.length === 0;
    const list = this.element("flagged-list");
    const focused = [...list.children].findIndex((item) => item.contains(this.page.activeElement));
    list.replaceChildren(
      ...all.map(({ frame, image }) => make("li", "", this.flaggedButton(frame, image))),
    );
    list.children[focused]?.querySelector("button")?.focus();
  }

  private flaggedButton(frame: string, image: FlaggedImage): HTMLButtonElement {
    const name = image.alt.trim() || fileName(image.url);
    const label = make("span", "name", name);
    label.dir = "auto";
    const button = make("button", "", label, " ", make("span", "percent", basis(image)));
    button.type = "button";
    button.title = name;
    button.addEventListener("click", () => this.link?.showImage({ frame, image: image.id }));
    return button;
  }

  private async showServer(): Promise<void> {
    const { server, key } = this.settings;
    const element = this.element("server");
    const show = (ok: boolean, words: string) => {
      element.dataset.ok = String(ok);
      element.textContent = words;
    };
    element.textContent = text("options_testing");
    if (!(await browser.permissions.contains({ origins: [hostPattern(server)] }))) {
      return show(false, text("popup_server_denied", new URL(server).host));
    }
    const { ok, words } = await testConnection(server, key);
    if (ok) void tell({ kind: "server-works" });
    show(ok, words);
  }

  private element<Type extends HTMLElement>(id: string): Type {
    return this.page.getElementById(id) as Type;
  }
}

/** The last part of an image's address, if it has one. */
function fileName(url: string): string {
  return (url && new URL(url).pathname.split("/").at(-1)) || text("image_unnamed");
}
