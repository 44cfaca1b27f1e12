/** Shows where an image looks AI-made, when it is asked for. */

import { call, json } from "./api.js";
import { make } from "./dom.js";
import { words } from "./words.js";

/**
 * A button and the place for the picture and the sentences.
 * @param sha256 of the image, from its verdict.
 * @param source the image's URL, or the file.
 */
export function explanation(sha256, source) {
  const path = `/v1/images/${sha256}/explanation`;
  const button = make("button", { type: "button", "aria-expanded": "false" }, words.explanation.show);
  const place = make("div", { class: "picture", hidden: "" });
  let loaded;

  const load = async () => {
    place.setAttribute("aria-busy", "true");
    place.replaceChildren(make("p", {}, words.explanation.wait));
    try {
      // In turn, so that a refusal of the picture still leaves the sentences.
      const { sentences } = await json(`${path}/text`);
      const texts = sentences.map((each) => make("p", {}, each));
      place.replaceChildren(...texts, make("p", {}, words.explanation.wait));
      place.replaceChildren(await picture(sha256, source), make("p", {}, words.explanation.about), ...texts);
      return true;
    } catch (error) {
      place.lastChild.replaceWith(make("p", {}, error.message));
      return false;
    } finally {
      place.removeAttribute("aria-busy");
    }
  };

  button.addEventListener("click", async () => {
    place.hidden = !place.hidden;
    button.setAttribute("aria-expanded", String(!place.hidden));
    button.textContent = place.hidden ? words.explanation.show : words.explanation.hide;
    if (!place.hidden && !loaded) loaded = load();
    if (loaded && !(await loaded)) loaded = undefined; // the next click tries again
  });
  return make("div", {}, button, place);
}

async function picture(sha256, source) {
  const src = URL.createObjectURL(await mapOf(sha256, source));
  return make("img", { src, alt: words.explanation.alt });
}

const maps = new Map();

/** The picture of where an image looks AI-made, as a blob. It is drawn once. */
export function mapOf(sha256, source) {
  if (!maps.has(sha256)) {
    const map = draw(sha256, source);
    maps.set(sha256, map);
    map.catch(() => maps.delete(sha256)); // the next time it is tried again
  }
  return maps.get(sha256);
}

async function draw(sha256, source) {
  const path = `/v1/images/${sha256}/explanation`;
  const response =
    source instanceof File
      ? await call(path, {
          method: "POST",
          headers: { "Content-Type": "application/octet-stream" },
          body: source,
        })
      : await call(`${path}?${new URLSearchParams({ url: source })}`);
  return response.blob();
}
