import { beforeEach, expect, test } from "vitest";
import { Badge } from "../../lib/page/badge";
import { Veils } from "../../lib/page/veils";
import { classified } from "../examples";
import { makeImage } from "./layout";

const ANCHOR = { x: 0, y: 0, right: false, bottom: false };
let veils: Veils;

beforeEach(() => {
  document.body.innerHTML = "";
  veils = new Veils();
  veils.setKind("blur");
});

function flagged(change = {}, shown: [number, number] = [300, 200]): Badge {
  return flaggedOn(makeImage({ shown }), change);
}

function flaggedOn(image: Element, change = {}): Badge {
  document.body.append(image);
  const badge = new Badge(image, "u");
  badge.show(classified(change));
  badge.place(ANCHOR);
  return badge;
}

const styleOf = (badge: Badge) => (badge.image as HTMLElement).style;
const filterOf = (badge: Badge) => styleOf(badge).filter;

test("only images that are likely AI are blurred, larger ones more", () => {
  const [small, large] = [flagged(), flagged({}, [900, 600])];
  const [unsure, real] = [flagged({ label: "uncertain" }), flagged({ label: "real" })];
  for (const badge of [small, large, unsure, real]) veils.update(badge);
  expect(filterOf(small)).toBe("blur(20px)");
  expect(filterOf(large)).toBe("blur(60px)");
  expect(filterOf(unsure)).toBe("");
  expect(filterOf(real)).toBe("");
});

test("a badge's press reveals its image for good; the next one does not", () => {
  const badge = flagged();
  expect(veils.reveal(badge)).toBe(false);
  veils.update(badge);
  expect(badge.button.textContent).toBe("Likely AI 93% Show");
  expect(badge.button.ariaLabel ?? badge.button.getAttribute("aria-label")).toContain(
    "Press to show the image",
  );
  expect(veils.reveal(badge)).toBe(true);
  expect(filterOf(badge)).toBe("");
  expect(badge.button.textContent).toBe("Likely AI 93%");
  veils.update(badge);
  expect(filterOf(badge)).toBe("");
  expect(veils.reveal(badge)).toBe(false);
});

test("an image without a visible badge is not blurred, because nobody could reveal it", () => {
  const badge = flagged();
  badge.place(undefined);
  veils.update(badge);
  expect(filterOf(badge)).toBe("");
});

test("a background is blurred only if nothing else would be", () => {
  const [empty, withText, withImage] = ["", "<h1>News</h1>", "<p><img></p>"].map((content) => {
    const element = document.createElement("div");
    element.innerHTML = content;
    const badge = flaggedOn(element);
    veils.update(badge);
    return badge;
  });
  expect(filterOf(empty!)).toBe("blur(16px)");
  expect(filterOf(withText!)).toBe("");
  expect(filterOf(withImage!)).toBe("");
});

test("the image's own style comes back", () => {
  const badge = flagged();
  styleOf(badge).setProperty("filter", "sepia(1)");
  styleOf(badge).setProperty("color", "red");
  veils.update(badge);
  expect(filterOf(badge)).toBe("blur(20px)");
  veils.lift(badge.image);
  expect(filterOf(badge)).toBe("sepia(1)");
  expect(styleOf(badge).getPropertyValue("clip-path")).toBe("");
  expect(styleOf(badge).color).toBe("red");
});

test("an image that had no style has none afterwards", () => {
  const badge = flagged();
  veils.update(badge);
  veils.lift(badge.image);
  expect(badge.image.hasAttribute("style")).toBe(false);
});

test("another choice in the options applies to images that are veiled", () => {
  const badge = flagged();
  veils.update(badge);
  veils.setKind("hide");
  veils.update(badge);
  expect(filterOf(badge)).toBe("opacity(0)");
  veils.setKind("show");
  veils.update(badge);
  expect(filterOf(badge)).toBe("");
});
