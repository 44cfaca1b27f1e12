/** The form of the options page: validates the input, requests permissions and saves. */

import { browser } from "wxt/browser";
import { Api, ApiError } from "./api";
import {
  DEFAULTS,
  hostPattern,
  loadSettings,
  normaliseServer,
  readSites,
  type Settings,
  saveSettings,
} from "./settings";
import { help, reason, text } from "./i18n";

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
    this.field("test").addEventListener("click", () => void this.test());
    this.field("reset").addEventListener("click", () => void this.reset());
    const settings = await loadSettings();
    this.fill(settings);
    const access = { origins: [hostPattern(settings.server)] };
    if (await browser.permissions.contains(access)) await this.connect(settings);
  }

  /** Save the input, if the server's address is valid. */
  async save(): Promise<void> {
    this.show("saved", "");
    const server = this.readServer();
    if (!server) return;
    // Request the permission first. An `await` before it would use up the user's click.
    if (!(await requestAccess(server))) {
      return this.showServerError(text("options_server_denied", new URL(server).host));
    }
    const sitesOff = readSites(this.sites.value);
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
    try {
      const { version, milliseconds } = await new Api(server, key).ready();
      const ms = String(milliseconds);
      const words = version
        ? text("options_test_ok_version", version, ms)
        : text("options_test_ok", ms);
      this.showConnection(
        true,
        isPlain(server) ? `${words} ${text("options_server_plain")}` : words,
      );
    } catch (error) {
      const failure = error instanceof ApiError ? error : new ApiError("server_error");
      this.showConnection(false, text("options_test_failed", reason(failure), help(failure)));
    }
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
    this.showServerError(server ? "" : text("options_server_invalid"));
    if (!server) this.showConnection(undefined, "");
    return server;
  }

  private readKey(): string {
    return this.key.value.trim();
  }

  private showServerError(words: string): void {
    this.show("server-error", words);
    this.server.setAttribute("aria-invalid", String(words !== ""));
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

/** Whether the manifest grants the access already. */
function isLocal(server: string): boolean {
  return /^http:\/\/(127\.0\.0\.1|localhost)$/.test(hostPattern(server).replace("/*", ""));
}

/** Whether the connection is unencrypted. */
function isPlain(server: string): boolean {
  return server.startsWith("http:") && !isLocal(server);
}
