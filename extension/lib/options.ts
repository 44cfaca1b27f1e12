/** The options page's form: checks what is typed, asks for access where it needs it, saves. */

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
import { help, reason, say } from "./words";

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

  /** Show the settings, listen, and try the connection. */
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

  /** Save what is typed, if the server's address can be used. */
  async save(): Promise<void> {
    this.tell("saved", "");
    const server = this.readServer();
    if (!server) return;
    // Asking must come first: an `await` before it would use up the user's click.
    if (!(await requestAccess(server))) {
      return this.refuse(say("options_server_denied", new URL(server).host));
    }
    const sitesOff = readSites(this.sites.value);
    const settings = { server, key: this.readKey(), badges: this.badges.checked, sitesOff };
    await saveSettings(settings);
    this.fill(settings);
    this.tell("saved", say("options_saved"));
    await this.connect(settings);
  }

  /** Ask the server whose address is typed whether it is ready, and say what it answers. */
  async test(): Promise<void> {
    const server = this.readServer();
    if (!server) return;
    if (await requestAccess(server)) return this.connect({ server, key: this.readKey() });
    this.tellConnection(false, say("options_server_denied", new URL(server).host));
  }

  private async connect({ server, key }: Pick<Settings, "server" | "key">): Promise<void> {
    this.tellConnection(undefined, say("options_testing"));
    try {
      const { version, milliseconds } = await new Api(server, key).ready();
      const ms = String(milliseconds);
      const words = version
        ? say("options_test_ok_version", version, ms)
        : say("options_test_ok", ms);
      this.tellConnection(
        true,
        isPlain(server) ? `${words} ${say("options_server_plain")}` : words,
      );
    } catch (error) {
      const failure = error instanceof ApiError ? error : new ApiError("server_error");
      this.tellConnection(false, say("options_test_failed", reason(failure), help(failure)));
    }
  }

  private async reset(): Promise<void> {
    this.fill(DEFAULTS);
    await saveSettings(DEFAULTS);
    this.tell("saved", say("options_reset_done"));
    await this.connect(DEFAULTS);
  }

  private fill({ server, key, badges, sitesOff }: Settings): void {
    this.server.value = server;
    this.key.value = key;
    this.badges.checked = badges;
    this.sites.value = sitesOff.join("\n");
  }

  /** The server's address as typed, in its one form; an unusable one is complained about. */
  private readServer(): string | undefined {
    const server = normaliseServer(this.server.value);
    this.refuse(server ? "" : say("options_server_invalid"));
    if (!server) this.tellConnection(undefined, "");
    return server;
  }

  private readKey(): string {
    return this.key.value.trim();
  }

  private refuse(words: string): void {
    this.tell("server-error", words);
    this.server.setAttribute("aria-invalid", String(words !== ""));
  }

  private tellConnection(ok: boolean | undefined, words: string): void {
    this.tell("connection", words);
    this.page.getElementById("connection")!.dataset.ok = String(ok);
  }

  private tell(id: string, words: string): void {
    this.page.getElementById(id)!.textContent = words;
  }

  private field<Field extends HTMLElement>(id: string): Field {
    return this.page.getElementById(id) as Field;
  }
}

/** Whether a server may be asked; the user is asked about any but the one on this machine. */
function requestAccess(server: string): Promise<boolean> {
  return isLocal(server)
    ? Promise.resolve(true)
    : browser.permissions.request({ origins: [hostPattern(server)] }).catch(() => false);
}

/** Whether the manifest has the access already. */
function isLocal(server: string): boolean {
  return /^http:\/\/(127\.0\.0\.1|localhost)$/.test(hostPattern(server).replace("/*", ""));
}

/** Whether others on the network can read along. */
function isPlain(server: string): boolean {
  return server.startsWith("http:") && !isLocal(server);
}
