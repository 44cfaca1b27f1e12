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
  normaliseServer,
  readSites,
  type Settings,
  saveSettings,
} from "./settings";

export class OptionsForm {
  private readonly form: HTMLFormElement;
  private readonly server: HTMLInputElement;
  private readonly key: HTMLInputElement;
  private readonly badges: HTMLInputElement;
  private readonly sites: HTMLTextAreaElement;

  constructor(private readonly page: Document) {
    this.form = page.forms[0]!;
    this.server = this.field("server");
    this.key = this.field("key");
    this.badges = this.field("badges");
    this.sites = this.field("sites");
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
    const [server, sitesOff] = [this.readServer(), this.readSites()];
    if (!server || !sitesOff) return;
    // Request the permission first. An `await` before it would use up the user's click.
    if (!(await requestAccess(server))) {
      return this.showError(this.server, text("options_server_denied", new URL(server).host));
    }
    const settings = { server, key: this.readKey(), badges: this.badges.checked, sitesOff };
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
    if (field === this.sites) this.showError(this.sites, "");
  }

  private async reset(): Promise<void> {
    this.fill(DEFAULTS);
    await saveSettings(DEFAULTS);
    this.show("saved", text("options_reset_done"));
    await this.connect(DEFAULTS);
  }

  private fill({ server, key, badges, sitesOff }: Settings): void {
    this.server.value = server;
    this.key.value = key;
    this.badges.checked = badges;
    this.sites.value = sitesOff.join("\n");
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
  private readSites(): string[] | undefined {
    const { sites, invalid } = readSites(this.sites.value);
    const [first] = invalid;
    this.showError(this.sites, first === undefined ? "" : text("options_sites_invalid", first));
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

/** Request access to a server. A server on this machine needs no permission. */
function requestAccess(server: string): Promise<boolean> {
  return isLocal(server)
    ? Promise.resolve(true)
    : browser.permissions.request({ origins: [hostPattern(server)] }).catch(() => false);
}
