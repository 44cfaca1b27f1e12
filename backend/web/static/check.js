/** The check page: addresses and files, judged one after the other; the newest is on top. */

import { call, json, post } from "./api.js";
import { make } from "./dom.js";
import { explanation } from "./explanation.js";
import { onFiles } from "./drop.js";
import { reportButton } from "./report.js";
import { stateOf, titleOf } from "./words.js";
import { verdictParts } from "./verdict.js";

const WAIT = 20; // seconds, the most that the API allows
const FILES_AT_ONCE = 3;
const MAX_FILE = 20 * 2 ** 20; // bytes; the API refuses more

const form = document.querySelector("#check");
const member = document.querySelector("#member");
const results = document.querySelector("#results");
const news = document.querySelector("#news");
const showsImages = document.querySelector("main").dataset.images === "on";

/** One thing that is checked, and how its result is shown. */
class Result {
  /** Where the image is shown, if it is not shown here. */
  imageLink = "";
  /** The image's URL, or the file. */
  source = "";
  /** The id of the check. */
  check = "";
  /** The buttons that explain the verdict and save the report, and what they show. */
  explained = [];
  /** A button that repeats what failed. */
  again = [];

  constructor(name, ...pictures) {
    this.name = name;
    this.verdict = make("div", { class: "verdict" });
    this.element = make("article", { class: "result sheet" }, ...pictures, this.verdict);
    this.show({ status: "pending" });
  }

  /** Show an item of the API. */
  show(item) {
    this.item = item;
    const { verdict } = item;
    this.explained = verdict ? this.#buttons(verdict.image.sha256) : [];
    this.draw();
  }

  #buttons(sha256) {
    return [explanation(sha256, this.source), reportButton(this.check, sha256, this.source)];
  }

  draw() {
    const parts = verdictParts(this.item, this.name, member.value, this.imageLink);
    this.verdict.replaceChildren(...parts, ...this.explained, ...this.again);
    this.element.dataset.state = stateOf(this.item);
    this.element.setAttribute("aria-busy", this.item.status === "pending");
  }

  /** Do what finds the item out; if it fails, say why and offer to try again. */
  async run(judge) {
    this.again = [];
    this.show({ status: "pending" });
    try {
      this.show(await judge());
    } catch (error) {
      const button = make("button", { type: "button" }, "Try again");
      button.addEventListener("click", () => this.run(judge));
      this.again = [button];
      this.show({ status: "failed", error: { detail: error.message } });
    }
    news.textContent = `${this.name}: ${titleOf(this.item)}`;
  }
}

const shown = [];

function add(result) {
  shown.push(result);
  results.prepend(result.element);
  document.querySelector("#choice").hidden = false;
}

/** Ask for a check until all of it is known, and return its only item. */
async function settled(check) {
  while (check.status === "pending") check = await json(`/v1/checks/${check.id}?wait=${WAIT}`);
  return check.items[0];
}

async function checkUrl(url) {
  const result = new Result(url);
  result.source = url;
  add(result);
  await result.run(async () => {
    const check = await post("/v1/checks", { urls: [url], wait: WAIT });
    history.replaceState(null, "", `/${location.search}#check=${check.id}`);
    return finished(result, check);
  });
}

/** Show the check that the page's address names. */
async function openCheck(id) {
  const result = new Result("");
  add(result);
  await result.run(async () => {
    const check = await json(`/v1/checks/${id}`);
    result.name = result.source = check.items[0].url;
    return finished(result, check);
  });
}

async function finished(result, check) {
  result.check = check.id;
  const item = await settled(check);
  if (!item.verdict) return item;
  if (showsImages) result.element.prepend(picture(item.url, "The image"));
  else result.imageLink = `/?images=on#check=${check.id}`;
  return item;
}

function picture(src, alt) {
  const image = make("img", { src, alt, referrerpolicy: "no-referrer" });
  const frame = make("div", { class: "picture" }, image);
  image.addEventListener("error", () => frame.remove()); // such as TIFF, in most browsers
  return frame;
}

async function checkFiles(files) {
  const waiting = Array.from(files, (file) => [
    new Result(file.name, picture(URL.createObjectURL(file), file.name)),
    file,
  ]);
  for (const [result, file] of waiting) {
    result.source = file;
    add(result);
  }
  const queue = waiting.values();
  const lane = async () => {
    for (const [result, file] of queue) await result.run(() => judgeFile(result, file));
  };
  await Promise.all(Array.from({ length: FILES_AT_ONCE }, lane));
}

async function judgeFile(result, file) {
  if (file.size > MAX_FILE) throw new Error("The file is larger than 20 MB.");
  const response = await call(`/v1/images?wait=${WAIT}`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body: file,
  });
  const check = await response.json();
  result.check = check.id;
  return settled(check);
}

/** An address as people type it may lack its scheme. */
const complete = (address) => (/^[a-z][a-z\d+.-]*:(?!\d)/i.test(address) ? address : `https://${address}`);

form.noValidate = true; // the browser would refuse an address without a scheme
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const address = form.elements.url.value.trim();
  if (address) checkUrl(complete(address));
  else form.reportValidity();
});
member.addEventListener("change", () => {
  for (const result of shown) result.draw();
});
document.querySelector("#file").addEventListener("change", ({ currentTarget }) => {
  checkFiles(currentTarget.files);
  currentTarget.value = ""; // so that the same file can be chosen again
});
onFiles(checkFiles);
document.querySelector("#files").hidden = false;

const [, id] = /^#check=([0-9a-f]{32})$/.exec(location.hash) ?? [];
if (id) openCheck(id);
