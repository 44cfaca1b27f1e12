/** Saves the report of a check: the server's document, with pictures that this page can make. */

import { call } from "./api.js";
import { make } from "./dom.js";
import { mapOf } from "./explanation.js";
import { save } from "./save.js";
import { words } from "./words.js";

const LONGEST = 640; // pixels of the longer side of the small copy
const LONGEST_NAME = 256; // characters that the API takes
const PLACE = /<!--pictures-->.*?<!--end of pictures-->/s; // texts of the document have no "<"

/**
 * A button that saves the report.
 * @param check the id of the check.
 * @param sha256 of the image, from its verdict.
 * @param source the image's URL, or the file.
 */
export function reportButton(check, sha256, source) {
  const button = make("button", { type: "button" }, words.report.save);
  const news = make("p", { class: "hint", role: "status" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    news.textContent = words.explanation.wait;
    try {
      const document = await report(check, sha256, source);
      save(new Blob([document], { type: "text/html" }), `assay-check-${check}.html`);
      news.textContent = "";
    } catch (error) {
      news.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });
  return make("div", {}, button, news);
}

async function report(check, sha256, source) {
  const isFile = source instanceof File;
  const name = isFile ? `?${new URLSearchParams({ name: source.name.slice(0, LONGEST_NAME) })}` : "";
  const html = await (await call(`/v1/checks/${check}/report${name}`)).text();
  const copy = isFile ? await smallCopy(source).catch(() => "") : "";
  const map = await mapOf(sha256, source).then(dataUrl, () => "");
  if (!copy && !map) return html;
  const figures = [
    copy && figure(copy, words.report.alt, words.report.small_copy),
    map && figure(map, words.explanation.alt, words.explanation.about),
  ];
  const missing = !map ? words.report.no_map : !copy && words.report.no_copy;
  const note = missing ? `<p class="missing">${missing}</p>` : "";
  const pictures = `<div class="pictures">${figures.filter(Boolean).join("")}</div>${note}`;
  return html.replace(PLACE, () => pictures);
}

const figure = (src, alt, caption) =>
  `<figure><img src="${src}" alt="${alt}"><figcaption>${caption}</figcaption></figure>`;

/** A small JPEG of an image file, as a data URL. Raises an error for formats like TIFF. */
async function smallCopy(file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST / Math.max(image.width, image.height));
  const size = { width: Math.ceil(image.width * scale), height: Math.ceil(image.height * scale) };
  const canvas = make("canvas", size);
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff"; // behind transparent pixels, which JPEG has not
  context.fillRect(0, 0, size.width, size.height);
  context.drawImage(image, 0, 0, size.width, size.height);
  return canvas.toDataURL("image/jpeg", 0.85);
}

function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}
