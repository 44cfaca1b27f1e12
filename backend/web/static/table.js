/** The table of a scan's results: sorted, filtered, and a page of it at a time. */

import { make, mark } from "./dom.js";
import { evidenceSource, percent, stateOf, titleOf } from "./words.js";

const ROWS = 100;
const REDRAW_AFTER = 250; // ms; results come faster than anyone reads

const COLUMNS = [
  { title: "No.", key: (item) => item.index, cell: (item) => [String(item.index + 1)] },
  { title: "Image", key: (item) => item.url, cell: imageCell },
  { title: "Result", key: (item) => titleOf(item), cell: resultCell },
  {
    title: "Probability",
    key: (item) => item.verdict?.probability ?? -1,
    cell: (item) => (item.verdict ? [percent(item.verdict.probability)] : []),
  },
];

const find = (selector) => document.querySelector(selector);

export class Table {
  #items = [];
  #page = 0;
  #column = COLUMNS[0];
  #descending = false;
  #timer;

  constructor({ thumbnails }) {
    this.thumbnails = thumbnails;
    find("thead tr").replaceChildren(...COLUMNS.map((column) => this.#heading(column)));
    find("#filter").addEventListener("change", () => this.#turnTo(0));
    find("#previous").addEventListener("click", () => this.#turnTo(this.#page - 1));
    find("#next").addEventListener("click", () => this.#turnTo(this.#page + 1));
  }

  clear() {
    this.#items = [];
    this.#turnTo(0);
  }

  add(item) {
    this.#items.push(item);
    this.#timer ??= setTimeout(() => this.#draw(), REDRAW_AFTER);
  }

  #turnTo(page) {
    this.#page = page;
    this.#draw();
  }

  #heading(column) {
    const button = make("button", { type: "button" }, column.title);
    const cell = make("th", { scope: "col" }, button);
    button.addEventListener("click", () => {
      this.#descending = column === this.#column && !this.#descending;
      this.#column = column;
      this.#turnTo(0);
    });
    return cell;
  }

  #draw() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const wanted = find("#filter").value;
    const items = this.#items.filter((item) => !wanted || stateOf(item) === wanted);
    const { key } = this.#column;
    const sign = this.#descending ? -1 : 1;
    items.sort((a, b) => sign * compare(key(a), key(b)) || a.index - b.index);
    const first = this.#page * ROWS;
    const rows = items.slice(first, first + ROWS).map((item) => this.#row(item));
    find("tbody").replaceChildren(...rows);
    this.#drawOrder();
    find("#pages").hidden = items.length <= ROWS;
    find("#range").textContent = `${first + 1} to ${first + rows.length} of ${items.length}`;
    find("#previous").disabled = first === 0;
    find("#next").disabled = first + ROWS >= items.length;
  }

  #drawOrder() {
    for (const [number, column] of COLUMNS.entries()) {
      const heading = find("thead tr").children[number];
      const order = this.#descending ? "descending" : "ascending";
      if (column === this.#column) heading.setAttribute("aria-sort", order);
      else heading.removeAttribute("aria-sort");
    }
  }

  #row(item) {
    const cells = COLUMNS.map(({ cell }) => make("td", {}, ...cell(item, this.thumbnails)));
    return make("tr", { "data-state": stateOf(item) }, ...cells);
  }
}

const compare = (a, b) => (a < b ? -1 : Number(a > b));

function imageCell({ url, custom_id, page, place }, thumbnails) {
  const isWeb = /^https?:/i.test(url);
  const name = isWeb ? outward(url) : make("span", {}, url);
  return [
    ...(thumbnails && isWeb ? [thumbnail(url)] : []),
    name,
    ...(place ? [make("small", {}, `${place} on `, outward(page))] : []),
    ...(custom_id ? [make("small", {}, custom_id)] : []),
  ];
}

const outward = (url) => make("a", { href: url, target: "_blank", rel: "noreferrer" }, url);

const thumbnail = (url) =>
  make("img", { src: url, alt: "", loading: "lazy", referrerpolicy: "no-referrer" });

function resultCell(item) {
  const facts = [item.error?.detail, ...(item.verdict?.evidence ?? []).map(evidenceSource)];
  return [
    make("span", { class: "label" }, mark(stateOf(item)), titleOf(item)),
    ...facts.filter(Boolean).map((fact) => make("small", {}, fact)),
  ];
}
