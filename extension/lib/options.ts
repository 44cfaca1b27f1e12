/** The form of the options page: validates the input, requests permissions and saves. */

import { browser } from "wxt/browser";
import { testConnection } from "./connection";
import { make } from "./dom";
import { percent, text } from "./i18n";
import { chooseLanguage } from "./language";
import { tell } from "./messages";
import { drawSamples } from "./samples";
import {
  DEFAULTS,
  hostPattern,
  isLocal,
  loadSettings,
  normaliseServer,
  onSettings,
  readSites,
  type Settings,
  saveSettings,
} from "./settings";
import { OWN_THRESHOLDS } from "./strictness";
import type { Thresholds } from "./verdict";

/** The settings of the form. */
type Form = Omit<Settings, "pausedUntil">;
type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

/** The ids of their controls. */
const IDS: Record<keyof Form, string> = {
  server: "server",
  key: "key",
  mode: "mode",
  sitesOff: "sites-off",
  sitesOn: "sites-on",
  fullLabels: "full-labels",
  corner: "corner",
  size: "size",
  ownThreshold: "threshold",
  flagged: "flagged",
  privateLookups: "private",
  history: "history",
};
const NAMES = Object.keys(IDS) as (keyof Form)[];

export class OptionsForm {
  private readonly form: HTMLFormElement;
  private readonly server: HTMLInputElement;
  private readonly key: HTMLInputElement;
  private readonly mode: HTMLSelectElement;
  private readonly sitesOff: HTMLTextAreaElement;
  private readonly sitesOn: HTMLTextAreaElement;
  private readonly threshold: HTMLSelectElement;
  /** The stored settings, as the controls showed them. What differs was edited. */
  private readonly stored = new Map<keyof Form, string | boolean>();
  /** The thresholds of the server, if it is connected. */
  private thresholds: Thresholds | undefined;

  constructor(private readonly page: Document) {
    this.form = page.forms[0]!;
    this.server = this.field("server");
    this.key = this.field("key");
    this.mode = this.field("mode");
    this.sitesOff = this.field("sites-off");
    this.sitesOn = this.field("sites-on");
    this.threshold = this.field("threshold");
  }

  /** Show the settings, add the listeners, and test the connection. Returns what ends it. */
  async start(): Promise<() => void> {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save();
    });
    this.form.addEventListener("input", ({ target }) => this.onInput(target as HTMLElement));
    this.field("test").addEventListener("click", () => void this.test());
    this.field("reset").addEventListener("click", () => void this.reset());
    this.showThresholds();
    const settings = await loadSettings();
    this.fill(settings);
    // Such as the popup's.
    const stop = onSettings((changed) => this.refresh(changed));
    await this.connectIfAllowed(settings);
    return stop;
  }

  /** Say what was said about the form in the chosen language. */
  async localise(): Promise<void> {
    this.show("saved", "");
    this.showConnection(undefined, "");
    for (const field of [this.server, this.sitesOff, this.sitesOn]) this.showError(field, "");
    this.showSites();
    this.showThresholds();
    const settings = await loadSettings();
    if (this.isEntered(settings)) await this.connectIfAllowed(settings);
  }

  /** Save what was edited, if all of the form is valid. */
  async save(): Promise<void> {
    this.show("saved", "");
    const server = this.readServer();
    const [sitesOff, sitesOn] = [this.readSites(this.sitesOff), this.readSites(this.sitesOn)];
    if (!server || !sitesOff || !sitesOn) return;
    // Request the permission first. An `await` before it would use up the user's click.
    if (!(await requestAccess(server))) {
      return this.showError(this.server, text("options_server_denied", new URL(server).host));
    }
    const form: Form = { ...this.readChoices(), server, key: this.readKey(), sitesOff, sitesOn };
    const edited = NAMES.filter((name) => this.isEdited(name));
    await saveSettings(Object.fromEntries(edited.map((name) => [name, form[name]])));
    this.fill(await loadSettings());
    this.show("saved", text("options_saved"));
    await this.connect(form);
  }

  /** Test the connection to the entered server, and show the result. */
  async test(): Promise<void> {
    const server = this.readServer();
    if (!server) return;
    if (await requestAccess(server)) return this.connect({ server, key: this.readKey() });
    this.showConnection(false, text("options_server_denied", new URL(server).host));
  }

  private async connect({ server, key }: Pick<Settings, "server" | "key">): Promise<void> {
    this.showConnection(undefined, text("options_testing"));
    const { ok, words, thresholds } = await testConnection(server, key);
    if (ok) void tell({ kind: "server-works" });
    // The user may have edited the form meanwhile.
    if (!this.isEntered({ server, key })) return;
    this.showConnection(ok, words);
    this.thresholds = thresholds;
    this.showThresholds();
  }

  private async connectIfAllowed(settings: Settings): Promise<void> {
    const access = { origins: [hostPattern(settings.server)] };
    if (await browser.permissions.contains(access)) await this.connect(settings);
  }

  private isEntered({ server, key }: Pick<Settings, "server" | "key">): boolean {
    return server === normaliseServer(this.server.value) && key === this.readKey();
  }

  /** What was said about the form is no longer true. */
  private onInput(field: HTMLElement): void {
    this.show("saved", "");
    if (field === this.server || field === this.key) this.showConnection(undefined, "");
    if (field === this.server) this.showError(this.server, "");
    if (field === this.sitesOff || field === this.sitesOn) this.showError(field, "");
    if (field === this.mode) this.showSites();
    if (field === this.threshold) this.showThresholds();
  }

  private async reset(): Promise<void> {
    this.fill(DEFAULTS);
    await saveSettings(DEFAULTS);
    await chooseLanguage("");
    this.show("saved", text("options_reset_done"));
    await this.connect(DEFAULTS);
  }

  /** Show settings in place of what the form has. */
  private fill(settings: Form): void {
    for (const name of NAMES) this.write(name, settings);
    this.showSites();
    this.showThresholds();
  }

  /** The settings were changed elsewhere. What the user has edited here stays. */
  private refresh(settings: Form): void {
    for (const name of NAMES) {
      const control = this.field<Control>(IDS[name]);
      const [before, edited] = [this.stored.get(name), shownBy(control)];
      const isEdited = this.isEdited(name);
      this.write(name, settings);
      if (!isEdited) continue;
      const isList = typeof before === "string" && control instanceof HTMLTextAreaElement;
      show(control, isList ? merge(String(edited), before, control.value) : edited!);
    }
    this.showSites();
    this.showThresholds();
  }

  private write(name: keyof Form, settings: Form): void {
    const control = this.field<Control>(IDS[name]);
    const value = settings[name];
    show(control, typeof value === "boolean" ? value : [value].flat().join("\n"));
    this.stored.set(name, shownBy(control));
  }

  private isEdited(name: keyof Form): boolean {
    return shownBy(this.field<Control>(IDS[name])) !== this.stored.get(name);
  }

  /** What is chosen in fields in which nothing can be wrong. */
  private readChoices(): Omit<Form, "server" | "key" | "sitesOff" | "sitesOn"> {
    const chosen = <Value>(name: keyof Form) => shownBy(this.field<Control>(IDS[name])) as Value;
    return {
      mode: chosen("mode"),
      fullLabels: chosen("fullLabels"),
      corner: chosen("corner"),
      size: chosen("size"),
      ownThreshold: Number(this.threshold.value),
      flagged: chosen("flagged"),
      privateLookups: chosen("privateLookups"),
      history: chosen("history"),
    };
  }

  /** Show the thresholds to choose from, and what the chosen one means. */
  private showThresholds(): void {
    const { thresholds, threshold } = this;
    if (threshold.options.length === 0) {
      threshold.append(...OWN_THRESHOLDS.map(thresholdOption));
    }
    const [server, ...own] = threshold.options;
    server!.textContent = thresholds
      ? text("threshold_server_known", percent(thresholds.ai))
      : text("threshold_server");
    for (const option of own) {
      const value = Number(option.value);
      option.textContent = text("threshold_own", percent(value));
      // It would change nothing.
      option.disabled = value <= (thresholds?.ai ?? 0);
    }
    const samples = thresholds ? drawSamples(thresholds, Number(threshold.value)) : [];
    this.page.getElementById("samples")!.replaceChildren(...samples);
    this.show("samples-title", text(thresholds ? "options_samples" : "options_samples_unknown"));
  }

  /** Show the list of sites that the mode uses, and one with an error. */
  private showSites(): void {
    const { value } = this.mode;
    this.page.getElementById("off")!.hidden = value !== "everywhere" && !isInvalid(this.sitesOff);
    this.page.getElementById("on")!.hidden = value !== "chosen" && !isInvalid(this.sitesOn);
  }

  /** The entered server address in normal form. An invalid one shows an error. */
  private readServer(): string | undefined {
    const server = normaliseServer(this.server.value);
    this.showError(this.server, server ? "" : text("options_server_invalid"));
    if (server) this.server.value = server;
    else this.showConnection(undefined, "");
    return server;
  }

  /** The entered sites. Invalid lines show an error. */
  private readSites(field: HTMLTextAreaElement): string[] | undefined {
    const { sites, invalid } = readSites(field.value);
    const [first] = invalid;
    this.showError(field, first === undefined ? "" : text("options_sites_invalid", first));
    this.showSites();
    return first === undefined ? sites : undefined;
  }

  private readKey(): string {
    return this.key.value.trim();
  }

  private showError(field: HTMLElement, words: string): void {
    this.show(`${field.id}-error`, words);
    field.setAttribute("aria-invalid", String(words !== ""));
  }

  private showConnection(ok: boolean | undefined, words: string): void {
    this.show("connection", words);
    this.page.getElementById("connection")!.dataset.ok = String(ok);
  }

  private show(id: string, words: string): void {
    this.page.getElementById(id)!.textContent = words;
  }

  private field<Field extends HTMLElement>(id: string): Field {
    return this.page.getElementById(id) as Field;
  }
}

function thresholdOption(value: number): HTMLOptionElement {
  const option = make("option", "");
  option.value = String(value);
  return option;
}

/** What a control shows: its text, or whether it is checked. */
function shownBy(control: Control): string | boolean {
  const isBox = control instanceof HTMLInputElement && control.type === "checkbox";
  return isBox ? control.checked : control.value;
}

function show(control: Control, value: string | boolean): void {
  if (typeof value === "string") control.value = value;
  else (control as HTMLInputElement).checked = value;
}

/** Apply the change of a list that was made elsewhere to an edited one. All have an entry per line. */
function merge(edited: string, before: string, after: string): string {
  const [old, now] = [before.split("\n"), after.split("\n")];
  const kept = edited.split("\n").filter((line) => !old.includes(line) || now.includes(line));
  const added = now.filter((line) => !old.includes(line) && !kept.includes(line));
  return [...kept, ...added].join("\n");
}

function isInvalid(field: HTMLElement): boolean {
  return field.getAttribute("aria-invalid") === "true";
}

/** Request access to a server. A server on this machine needs no permission. */
function requestAccess(server: string): Promise<boolean> {
  return isLocal(server)
    ? Promise.resolve(true)
    : browser.permissions.request({ origins: [hostPattern(server)] }).catch(() => false);
}
