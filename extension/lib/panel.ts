/** The history page: shows the last checks, searches them, exports and clears them. */

import { toCsv } from "./csv";
import { make } from "./dom";
import { clearEntries, type Entry, loadEntries, onHistory } from "./history";
import { badgeWords, dateTime, language, number, text } from "./i18n";
import { drawMark } from "./page/mark";
import { isWebUrl } from "./page/url";
import { Pictures } from "./pictures";
import { DEFAULTS, loadSettings, onSettings, type Settings } from "./settings";
import { asWanted } from "./strictness";
import { type Outcome, stateOf } from "./verdict";

export class HistoryPanel {
  private readonly search: HTMLInputElement;
  private readonly list: HTMLElement;
  private readonly dialog: HTMLDialogElement;
  private readonly pictures = new Pictures();
  private entries: Entry[] = [];
  private ownThreshold = DEFAULTS.ownThreshold;
  /** Loads that run one after the other, so that an older one cannot overwrite a newer one. */
  private loading: Promise<void> | undefined;
  private isStale = false;

  constructor(private readonly page: Document) {
    this.search = this.element("search");
    this.list = this.element("entries");
    this.dialog = this.element("confirm");
  }

  /** Show the history, and follow its changes. Returns a function that stops it. */
  start(): () => void {
    this.search.addEventListener("input", () => this.show());
    this.element("export").addEventListener("click", () => this.save());
    this.element("clear").addEventListener("click", () => this.dialog.showModal());
    this.dialog.addEventListener("close", () => {
      if (this.dialog.returnValue === "clear") void clearEntries();
      this.dialog.returnValue = "";
    });
    const stops = [onHistory(() => this.load()), onSettings((settings) => this.apply(settings))];
    this.load();
    void loadSettings().then((settings) => this.apply(settings));
    return () => stops.forEach((stop) => stop());
  }

  /** Show everything again, in the chosen language. */
  localise(): void {
    this.show();
    void loadSettings().then((settings) => this.apply(settings));
  }

  /** Load the history. Changes that come meanwhile are one more load. */
  private load(): void {
    this.isStale = true;
    this.loading ??= this.loadAll().finally(() => (this.loading = undefined));
  }

  private async loadAll(): Promise<void> {
    while (this.isStale) {
      this.isStale = false;
      this.entries = await loadEntries();
      this.show();
      void this.pictures.complete(this.entries);
    }
  }

  private show(): void {
    const found = this.found();
    this.list.replaceChildren(...found.map((entry) => drawEntry(entry, this.wanted(entry))));
    this.element("count").textContent = this.countOf(found);
    this.element<HTMLButtonElement>("export").disabled = found.length === 0;
    this.element<HTMLButtonElement>("clear").disabled = this.entries.length === 0;
  }

  private countOf(found: readonly Entry[]): string {
    if (this.entries.length === 0) return text("history_empty");
    if (found.length === 0) return text("history_none_found");
    return text("history_count", number(found.length), number(this.entries.length));
  }

  private apply({ history, ownThreshold }: Settings): void {
    this.element("off").textContent = history ? "" : text("history_off");
    if (ownThreshold === this.ownThreshold) return;
    this.ownThreshold = ownThreshold;
    this.show();
  }

  /** The outcome of an entry as the user wants it shown. */
  private wanted({ outcome }: Entry): Outcome {
    return asWanted(outcome, this.ownThreshold);
  }

  /** The entries that contain each word of the search. */
  private found(): Entry[] {
    const words = searchable(this.search.value).split(/\s+/);
    return this.entries.filter((entry) => {
      const all = [verdictOf(this.wanted(entry)), readable(entry.url), readable(entry.page)].join("\n");
      const searched = searchable(all);
      return words.every((word) => searched.includes(word));
    });
  }

  /** Save the entries that the search found as a CSV file. */
  private save(): void {
    const csv = new Blob([toCsv([COLUMNS, ...this.found().map(rowOf)])], { type: "text/csv" });
    const link = make("a", "");
    link.href = URL.createObjectURL(csv);
    link.download = `assay-${new Date().toISOString().slice(0, 10)}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  }

  private element<Found extends HTMLElement>(id: string): Found {
    return this.page.getElementById(id) as Found;
  }
}

/** Names for programs, which do not depend on the language. The label is the server's. */
const COLUMNS = [
  "checked",
  "label",
  "probability",
  "failure",
  "image",
  "page",
  "sha256",
  "model_version",
];

function rowOf({ url, page, time, outcome }: Entry): string[] {
  const checked = new Date(time).toISOString();
  if (outcome.state === "unavailable") {
    return [checked, "", "", outcome.failure.code, url, page, "", ""];
  }
  const { label, probability, image, model_version } = outcome.verdict;
  return [checked, label, String(probability), "", url, page, image.sha256, model_version];
}

function drawEntry({ url, page, time, thumbnail }: Entry, outcome: Outcome): HTMLElement {
  const body = make(
    "div",
    "facts",
    make("p", "verdict", verdictOf(outcome)),
    drawAddress("history_image", url),
    ...(page ? [drawAddress("history_page", page)] : []),
    make("p", "when", dateTime(new Date(time))),
  );
  const element = make("li", "entry", drawPicture(thumbnail, outcome), body);
  element.dataset.state = stateOf(outcome);
  return element;
}

/** The small picture, or the mark of the state in its place. */
function drawPicture(thumbnail: string | undefined, outcome: Outcome): HTMLElement {
  const frame = make("div", "picture");
  if (!thumbnail) {
    frame.append(drawMark(stateOf(outcome)));
    return frame;
  }
  const picture = make("img", "");
  picture.src = thumbnail;
  picture.alt = "";
  frame.append(picture);
  return frame;
}

/** An address as a link, if it is one of the web. */
function drawAddress(name: string, address: string): HTMLElement {
  const label = make("span", "label", text(name));
  if (!isWebUrl(address)) return make("p", "address", label, " ", make("bdi", "", address));
  const link = make("a", "", make("bdi", "", readable(address)));
  link.href = link.title = address;
  link.target = "_blank";
  link.rel = "noreferrer";
  return make("p", "address", label, " ", link);
}

function verdictOf(outcome: Outcome): string {
  const { word, extra } = badgeWords(outcome);
  return extra ? text("history_verdict", word, extra) : word;
}

/** A text without upper case, and without the marks of writing directions, which nobody types. */
function searchable(words: string): string {
  return words.toLocaleLowerCase(language()).replace(/[\u200e\u200f\u2066-\u2069]/g, "");
}

/** An address as people read it. Addresses that are no valid URLs stay as they are. */
function readable(address: string): string {
  const short = address.replace(/^https?:\/\//, "");
  try {
    return decodeURI(short);
  } catch {
    return short;
  }
}
