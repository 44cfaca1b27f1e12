/** The form of the options page: validates the input, requests permissions and saves. */

import { browser } from "wxt/browser";
import { testConnection } from "./connection";
import { text } from "./i18n";
import { tell } from "./messages";
import {
  DEFAULTS,
  hostPattern,
  isLocal,
  loadSettings,
  type Look,
  normaliseServer,
  readSites,
  type Settings,
  saveSettings,
} from "./settings";

export class OptionsForm {
  private readonly form: HTMLFormElement;
  private readonly server: HTMLInputElement;
  private readonly key: HTMLInputElement;
  private readonly mode: HTMLSelectElement;
  private readonly sitesOff: HTMLTextAreaElement;
  private readonly sitesOn: HTMLTextAreaElement;
  private readonly fullLabels: HTMLInputElement;
  private readonly corner: HTMLSelectElement;
  private readonly size: HTMLSelectElement;
  private readonly flagged: HTMLSelectElement;
  private readonly privateLookups: HTMLInputElement;
  private readonly history: HTMLInputElement;

  constructor(private readonly page: Document) {
    this.form = page.forms[0]!;
    this.server = this.field("server");
    this.key = this.field("key");
    this.mode = this.field("mode");
    this.sitesOff = this.field("sites-off");
    this.sitesOn = this.field("sites-on");
    this.fullLabels = this.field("full-labels");
    this.corner = this.field("corner");
    this.size = this.field("size");
    this.flagged = this.field("flagged");
    this.privateLookups = this.field("private");
    this.history = this.field("history");
  }

  /** Show the settings, add the listeners, and test the connection. */
  async start(): Promise<void> {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save();
    });
    this.form.addEventListener("input", ({ target }) => this.onInput(target as HTMLElement));
    this.field("test").addEventListener("click", () => void this.test());
    this.field("reset").addEventListener("click", () => void this.reset());
    const settings = await loadSettings();
    this.fill(settings);
    const access = { origins: [hostPattern(settings.server)] };
    if (await browser.permissions.contains(access)) await this.connect(settings);
  }

  /** Save the input, if all of it is valid. */
  async save(): Promise<void> {
    this.show("saved", "");
    const server = this.readServer();
    const [sitesOff, sitesOn] = [this.readSites(this.sitesOff), this.readSites(this.sitesOn)];
    if (!server || !sitesOff || !sitesOn) return;
    // Request the permission first. An `await` before it would use up the user's click.
    if (!(await requestAccess(server))) {
      return this.showError(this.server, text("options_server_denied", new URL(server).host));
    }
    const settings = { server, key: this.readKey(), sitesOff, sitesOn, ...this.readChoices() };
    await saveSettings(settings);
    this.fill(settings);
    this.show("saved", text("options_saved"));
    await this.connect(settings);
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
    const { ok, words } = await testConnection(server, key);
    if (ok) void tell({ kind: "server-works" });
    // The user may have edited the form meanwhile.
    const isCurrent = server === normaliseServer(this.server.value) && key === this.readKey();
    if (isCurrent) this.showConnection(ok, words);
  }

  /** What was said about the form is no longer true. */
  private onInput(field: HTMLElement): void {
    this.show("saved", "");
    if (field === this.server || field === this.key) this.showConnection(undefined, "");
    if (field === this.server) this.showError(this.server, "");
    if (field === this.sitesOff || field === this.sitesOn) this.showError(field, "");
    if (field === this.mode) this.showSites();
  }

  private async reset(): Promise<void> {
    this.fill(DEFAULTS);
    await saveSettings(DEFAULTS);
    this.show("saved", text("options_reset_done"));
    await this.connect(DEFAULTS);
  }

  private fill(settings: Omit<Settings, "pausedUntil">): void {
    this.server.value = settings.server;
    this.key.value = settings.key;
    this.mode.value = settings.mode;
    this.sitesOff.value = settings.sitesOff.join("\n");
    this.sitesOn.value = settings.sitesOn.join("\n");
    this.fullLabels.checked = settings.fullLabels;
    this.corner.value = settings.corner;
    this.size.value = settings.size;
    this.flagged.value = settings.flagged;
    this.privateLookups.checked = settings.privateLookups;
    this.history.checked = settings.history;
    this.showSites();
  }

  /** What is chosen in fields in which nothing can be wrong. */
  private readChoices(): Look & Pick<Settings, "mode" | "privateLookups" | "history"> {
    return {
      mode: this.mode.value as Settings["mode"],
      fullLabels: this.fullLabels.checked,
      corner: this.corner.value as Look["corner"],
      size: this.size.value as Look["size"],
      flagged: this.flagged.value as Look["flagged"],
      privateLookups: this.privateLookups.checked,
      history: this.history.checked,
    };
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

function isInvalid(field: HTMLElement): boolean {
  return field.getAttribute("aria-invalid") === "true";
}

/** Request access to a server. A server on this machine needs no permission. */
function requestAccess(server: string): Promise<boolean> {
  return isLocal(server)
    ? Promise.resolve(true)
    : browser.permissions.request({ origins: [hostPattern(server)] }).catch(() => false);
}
