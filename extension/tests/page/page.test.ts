import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { loadLanguage } from "../../lib/language";
import { Page } from "../../lib/page/page";
import type { WorkerRequest } from "../../lib/messages";
import { DEFAULTS } from "../../lib/settings";
import { type Outcome, UNKNOWN, unavailable } from "../../lib/verdict";
import { classified, fact, verdict } from "../examples";
import { bringNear, FakeIntersectionObserver, fakeObservers, layOut, makeImage } from "./layout";

const DATA = "data:image/png;base64,AAAA";

let page: Page;
/** What the service worker was asked, and what it answers. */
const asked = vi.fn<(request: WorkerRequest) => Promise<Outcome>>();

/** What the page reads when it reads an image's file. */
function haveFiles(read: () => Promise<Response>): void {
  vi.stubGlobal("fetch", read);
}
const readable = async () => new Response(new Blob(["x"], { type: "image/png" }));
const unreadable = async () => Promise.reject(new TypeError("refused"));

beforeEach(async () => {
  await loadLanguage(); // The one that an earlier test has chosen is gone.
  fakeObservers();
  haveFiles(unreadable);
  document.body.innerHTML = "<button id=before></button>";
  document.elementsFromPoint = () => [];
  asked.mockReset().mockResolvedValue(classified());
  fakeBrowser.runtime.onMessage.addListener((request: unknown) => asked(request as WorkerRequest));
  page = new Page();
});

afterEach(() => {
  page.stop();
  vi.unstubAllGlobals();
});

const shadow = () => document.querySelector("assay-overlay")!.shadowRoot!;
const badges = () => [...shadow().querySelectorAll<HTMLButtonElement>("button.badge")];
const states = () => badges().map(({ dataset }) => dataset.state);
const card = () => shadow().querySelector<HTMLDialogElement>("dialog")!;
const titleOf = () => card().querySelector("h2")!.textContent;
const actions = () => [...card().querySelectorAll<HTMLButtonElement>("button.do")];
const allActions = () => [...card().querySelectorAll(".do, .small")].map(({ textContent }) => textContent);

/** Put images on the page and have badges on them. */
function showWithBadges(...images: HTMLImageElement[]): void {
  document.body.append(...images);
  page.setBadges(true);
  images.forEach((image) => bringNear(image));
}

/** Click as a user does: the browser trusts it. */
function click(button: HTMLElement): void {
  const event = new MouseEvent("click", { bubbles: true });
  Object.defineProperty(event, "isTrusted", { value: true });
  button.dispatchEvent(event);
}

test("an image has a badge that says it is being checked, and then what was found", async () => {
  const image = makeImage();
  image.alt = "A cat";
  showWithBadges(image);
  expect(badges()[0]!.dataset.state).toBe("checking");
  await vi.waitFor(() => expect(badges()[0]!.dataset.state).toBe("ai"));
  expect(badges()[0]!.getAttribute("aria-label")).toBe(
    "Likely AI, 93% probability of AI: image “A cat”",
  );
  expect(badges()[0]!.textContent).toBe("Likely AI 93%");
  expect(asked).toHaveBeenCalledExactlyOnceWith({
    kind: "check-url",
    url: "https://x.example/a.jpg",
  });
});

test("badges stand in the order of their images, whenever those came", () => {
  const [first, second, third] = ["1", "2", "3"].map((alt) => {
    const image = makeImage();
    image.alt = alt;
    return image;
  }) as [HTMLImageElement, HTMLImageElement, HTMLImageElement];
  document.body.append(first, second, third);
  page.setBadges(true);
  [third, first, second].forEach((image) => bringNear(image));
  const names = badges().map((badge) => badge.getAttribute("aria-label"));
  expect(names.map((name) => name!.at(-2))).toEqual(["1", "2", "3"]);
});

test("a badge goes when its image goes, and all go when badges are switched off", () => {
  const [image, other] = [makeImage(), makeImage()];
  showWithBadges(image, other);
  expect(badges()).toHaveLength(2);
  bringNear(image, false);
  expect(badges()).toHaveLength(1);
  page.setBadges(false);
  expect(badges()).toHaveLength(0);
});

test("a page that is left before its last badge is placed keeps nothing of ours", async () => {
  vi.spyOn(performance, "now").mockReturnValue(1000); // The second badge comes soon after the first.
  const [first, second] = [makeImage(), makeImage()];
  showWithBadges(first);
  await vi.waitFor(() => expect(badges()[0]!.classList).toContain("placed"));
  document.body.append(second);
  await vi.waitFor(() => expect(FakeIntersectionObserver.last.targets).toContain(second));
  bringNear(second);
  page.stop();
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  expect(document.querySelector("assay-overlay")).toBeNull();
  vi.restoreAllMocks();
});

test("the page's own elements stay as they were", () => {
  const before = document.body.innerHTML;
  const image = makeImage();
  showWithBadges(image);
  image.remove();
  expect(document.body.innerHTML).toBe(before);
  expect(document.documentElement.lastElementChild!.localName).toBe("assay-overlay");
});

test("a small image's badge is its mark alone; its name still says all", async () => {
  showWithBadges(makeImage({ shown: [120, 120] }));
  await vi.waitFor(() => expect(badges()[0]!.classList).toContain("dot"));
  expect(badges()[0]!.getAttribute("aria-label")).toContain("image without a description");
});

test.each([
  ["a wide and low logo", [400, 100], true],
  ["a narrow image", [190, 300], true],
  ["a photograph", [300, 200], false],
] as const)("%s of %j pixels has a dot: %s", async (_name, [width, height], isDot) => {
  showWithBadges(makeImage({ shown: [width, height] }));
  await vi.waitFor(() => expect(badges()[0]!.classList).toContain("placed"));
  expect(badges()[0]!.classList.contains("dot")).toBe(isDot);
});

test.each([
  ["ai", false],
  ["uncertain", false],
  ["real", true],
] as const)("the label %s is a quiet dot: %s, unless all labels are shown in full", async (label, isDot) => {
  asked.mockResolvedValue(classified({ label }));
  showWithBadges(makeImage());
  expect(badges()[0]!.classList).toContain("dot"); // While it is being checked.
  await vi.waitFor(() => expect(states()).toEqual([label]));
  expect(badges()[0]!.classList.contains("dot")).toBe(isDot);
  page.setLook({ ...DEFAULTS, fullLabels: true });
  expect(badges()[0]!.classList).not.toContain("dot");
});

test("corner and size apply at once to badges that are there, and to later ones", async () => {
  const [image, later] = [makeImage(), makeImage()];
  layOut(image, 100, 50, 300, 200);
  layOut(later, 100, 50, 300, 200);
  showWithBadges(image);
  page.setLook({ ...DEFAULTS, corner: "bottom-end", size: "large" });
  document.body.append(later);
  bringNear(later);
  await vi.waitFor(() => {
    for (const { style } of badges()) {
      expect(style.transform).toBe("translate(392px, 242px) translate(-100%, -100%)");
    }
  });
  expect(badges().every(({ classList }) => classList.contains("large"))).toBe(true);
});

test("a flagged image is blurred; the first click reveals it, the next opens the card", async () => {
  page.setLook({ ...DEFAULTS, flagged: "blur" });
  const image = makeImage();
  showWithBadges(image);
  await vi.waitFor(() => expect(image.style.filter).toBe("blur(20px)"));
  badges()[0]!.click();
  expect(image.style.filter).toBe("");
  expect(shadow().querySelector("dialog")).toBeNull();
  badges()[0]!.click();
  await vi.waitFor(() => expect(card().open).toBe(true));
});

test("an image is shown again when its badge goes", async () => {
  page.setLook({ ...DEFAULTS, flagged: "hide" });
  const image = makeImage();
  showWithBadges(image);
  await vi.waitFor(() => expect(image.style.filter).toBe("opacity(0)"));
  page.setBadges(false);
  expect(image.hasAttribute("style")).toBe(false);
});

test("all images are checked on demand while badges are off, also those far away", async () => {
  const image = makeImage();
  document.body.append(image);
  page.checkAll();
  expect(FakeIntersectionObserver.last.options.rootMargin).toBe("1000000px");
  bringNear(image);
  await vi.waitFor(() => expect(page.report().counts.ai).toBe(1));
  page.setBadges(true);
  expect(FakeIntersectionObserver.last.options.rootMargin).toBe("400px 200px");
});

test("the report remembers what has scrolled away, but not what was never answered", async () => {
  const [image, waiting] = [makeImage(), makeImage({ src: "https://x.example/slow.jpg" })];
  asked.mockImplementation((request) =>
    "url" in request && request.url.endsWith("slow.jpg")
      ? new Promise(() => {})
      : Promise.resolve(classified()),
  );
  showWithBadges(image, waiting);
  await vi.waitFor(() => expect(page.report().counts).toMatchObject({ ai: 1, checking: 1 }));
  bringNear(image, false);
  bringNear(waiting, false);
  expect(page.report().counts).toMatchObject({ ai: 1, checking: 0 });
  page.setBadges(false);
  expect(page.report().counts.ai).toBe(0);
});

test("a badge is put at its image's corner", async () => {
  const image = makeImage();
  layOut(image, 100, 50, 300, 200);
  showWithBadges(image);
  await vi.waitFor(() => expect(badges()[0]!.style.transform).toBe("translate(108px, 58px)"));
  expect(badges()[0]!.classList).toContain("placed");
});

test("a badge's click opens a card with all that is known, without asking again", async () => {
  const evidence = [fact({ trusted: true })];
  asked.mockResolvedValue(classified({ evidence }));
  showWithBadges(makeImage());
  await vi.waitFor(() => expect(badges()[0]!.dataset.state).toBe("ai"));
  badges()[0]!.click();
  await vi.waitFor(() => expect(titleOf()).toBe("Likely AI"));
  expect(card().open).toBe(true);
  const words = card().textContent;
  expect(words).toContain("Probability that the image is AI-made: 93%");
  expect(words).toContain("Few real images get such a high probability.");
  expect(words).toContain("EfficientNet for art88%");
  expect(words).toContain("Made by Example.Content Credentials, trusted signature");
  expect(words).toContain("640 × 480 pixels, JPEG");
  expect(words).toContain("test-1");
  expect(asked).toHaveBeenCalledOnce();
});

test("the card has one number where one model was asked", async () => {
  asked.mockResolvedValue(classified({ probability: 0.93, members: { clip: 0.91 } }));
  await page.checkTarget("https://x.example/a.jpg");
  expect(card().textContent!.match(/\d+%/g)).toEqual(["93%"]);
});

test("the card is a dialog named by its title, which has the focus", async () => {
  await page.checkTarget("https://x.example/a.jpg");
  expect(card().getAttribute("aria-labelledby")).toBe(card().querySelector("h2")!.id);
  expect(shadow().activeElement).toBe(card().querySelector("h2"));
  expect(card().querySelector('[role="status"]')!.textContent).toContain("93%");
});

test("the close button and a click outside close the card", async () => {
  await page.checkTarget("https://x.example/a.jpg");
  click(card().querySelector<HTMLButtonElement>(".close")!);
  expect(card().open).toBe(false);
  await page.checkTarget("https://x.example/a.jpg");
  card().querySelector<HTMLElement>(".body")!.click();
  expect(card().open).toBe(true);
  card().click();
  expect(card().open).toBe(false);
});

test("a failure is told with its reason, the server's words and what to do", async () => {
  asked.mockResolvedValue(unavailable("corrupt_image", "The jpeg file is damaged."));
  await page.checkTarget("https://x.example/a.jpg");
  expect(titleOf()).toBe("Unavailable");
  expect(card().textContent).toContain("damaged file");
  expect(card().textContent).toContain("The jpeg file is damaged.");
  expect(card().textContent).toContain("try another copy");
});

test("trying again asks past every cache, and the badge is told too", async () => {
  asked.mockResolvedValue(unavailable("corrupt_image"));
  showWithBadges(makeImage());
  await vi.waitFor(() => expect(badges()[0]!.dataset.state).toBe("unavailable"));
  badges()[0]!.click();
  await vi.waitFor(() => expect(actions()).toHaveLength(1));
  asked.mockClear().mockResolvedValue(classified());
  click(actions()[0]!);
  await vi.waitFor(() => expect(titleOf()).toBe("Likely AI"));
  expect(asked.mock.calls[0]![0]).toEqual({
    kind: "check-now",
    url: "https://x.example/a.jpg",
    again: true,
  });
  expect(badges()[0]!.dataset.state).toBe("ai");
});

test("an answer that comes after another image was asked about is not shown", async () => {
  let late = (_outcome: Outcome) => {};
  asked.mockReturnValueOnce(new Promise((resolve) => (late = resolve)));
  const first = page.checkTarget("https://x.example/slow.jpg");
  await page.checkTarget("https://x.example/fast.jpg");
  late(unavailable("timeout"));
  await first;
  expect(titleOf()).toBe("Likely AI");
});

test("a data: image that was asked for is sent as bytes", async () => {
  haveFiles(readable);
  await page.checkTarget(DATA);
  expect(asked.mock.calls.map(([request]) => request)).toEqual([
    { kind: "check-bytes-now", data: "data:image/png;base64,eA==", again: false },
  ]);
});

test.each([DATA, "blob:https://x.example/1"])(
  "an image without an address on the web, %s, gets a badge by its bytes",
  async (src) => {
    haveFiles(readable);
    showWithBadges(makeImage({ src }));
    await vi.waitFor(() => expect(badges()[0]!.dataset.state).toBe("ai"));
    expect(asked.mock.calls.map(([{ kind }]) => kind)).toEqual(["check-bytes"]);
  },
);

test("of one image that is shown twice in a place, the smaller has the badge", async () => {
  const [large, small, other] = [makeImage(), makeImage(), makeImage()];
  layOut(large, 0, 0, 400, 300);
  layOut(small, 50, 50, 300, 200);
  layOut(other, 500, 0, 400, 300);
  showWithBadges(large, small, other);
  const shown = () => badges().map((badge) => badge.classList.contains("placed"));
  await vi.waitFor(() => expect(shown()).toEqual([false, true, true]));
});

test("where the user right-clicks no image, the card says so and nothing is sent", async () => {
  haveFiles(readable);
  await page.checkTarget("");
  expect(card().textContent).toContain("no image here");
  expect(actions()).toHaveLength(0);
  expect(asked).not.toHaveBeenCalled();
});

test("where the server cannot have the file, the one shown here is sent", async () => {
  haveFiles(readable);
  asked.mockResolvedValueOnce(unavailable("blocked_address"));
  await page.checkTarget("http://10.0.0.1/a.png");
  expect(asked.mock.calls.map(([{ kind }]) => kind)).toEqual(["check-now", "check-bytes-now"]);
  expect(titleOf()).toBe("Likely AI");
});

test("where the page may not read it either, the browser is asked for access on a click", async () => {
  asked.mockResolvedValueOnce(unavailable("http_status"));
  asked.mockResolvedValueOnce(unavailable("access_needed"));
  await page.checkTarget("https://cdn.example/a.png");
  expect(allActions()).toEqual(["Allow and check", "Try again"]);
  expect(card().textContent).toContain("images from cdn.example");
  actions()[0]!.click(); // A script's click, which must do nothing.
  expect(asked).toHaveBeenCalledTimes(2);
  click(actions()[0]!);
  await vi.waitFor(() => expect(titleOf()).toBe("Likely AI"));
  expect(asked.mock.calls.at(-1)![0]).toEqual({
    kind: "check-fetch",
    url: "https://cdn.example/a.png",
    askPermission: true,
  });
});

test("the bytes of an image on the web are sent only after a click", async () => {
  haveFiles(readable);
  asked.mockResolvedValue(unavailable("blocked_address"));
  showWithBadges(makeImage());
  await vi.waitFor(() => expect(badges()[0]!.dataset.state).toBe("unavailable"));
  expect(asked.mock.calls.map(([{ kind }]) => kind)).toEqual(["check-url"]);
  badges()[0]!.click();
  await vi.waitFor(() => expect(actions()[0]?.textContent).toBe("Send the image file"));
  click(actions()[0]!);
  await vi.waitFor(() => expect(asked.mock.calls.at(-1)![0].kind).toBe("check-bytes-now"));
});

test("an image whose address the browser did not tell is found under the pointer", async () => {
  const image = makeImage();
  document.body.append(image);
  document.elementsFromPoint = () => [image];
  image.dispatchEvent(new MouseEvent("contextmenu", { bubbles: true, composed: true }));
  await page.checkTarget("");
  expect(asked.mock.calls[0]![0]).toMatchObject({ url: "https://x.example/a.jpg" });
});

test("a service worker that is gone leaves a reason, not a check without end", async () => {
  fakeBrowser.runtime.onMessage.removeAllListeners();
  await page.checkTarget("https://x.example/a.jpg");
  expect(titleOf()).toBe("Unavailable");
  expect(card().textContent).toContain("interrupted");
});

// A server in trouble

const down = (seconds = 60): Outcome => ({
  state: "unavailable",
  failure: { code: "server_unreachable", detail: "", retryAt: Date.now() + seconds * 1000 },
});
const checksOf = (kind: string) => asked.mock.calls.filter(([request]) => request.kind === kind);

test("while the server is down badges are dots; only the card has the reason", async () => {
  asked.mockResolvedValue(down());
  showWithBadges(makeImage(), makeImage());
  await vi.waitFor(() => expect(badges()[1]!.dataset.state).toBe("unavailable"));
  for (const badge of badges()) expect(badge.classList).toContain("dot");
  badges()[0]!.click();
  await vi.waitFor(() => expect(card().textContent).toContain("server not running"));
  expect(card().textContent).toMatch(/tries again by itself at \d+:\d+/);
  expect(actions()[0]!.textContent).toBe("Open the options");
  click(actions()[0]!);
  expect(checksOf("open-options")).toHaveLength(1);
});

test("when the server works again, each badge that lacks a verdict is checked once", async () => {
  asked.mockImplementation(async (request) =>
    request.kind === "check-url" && request.url.endsWith("known.jpg") ? classified() : down(),
  );
  const urls = ["known", "a", "b", "b"].map((name) => `https://x.example/${name}.jpg`);
  showWithBadges(...urls.map((src) => makeImage({ src })));
  await vi.waitFor(() => expect(states()).toEqual(["ai", "unavailable", "unavailable", "unavailable"]));
  badges()[1]!.click();
  await vi.waitFor(() => expect(titleOf()).toBe("Unavailable"));
  asked.mockClear().mockResolvedValue(classified());
  page.tryAgain();
  page.tryAgain();
  await vi.waitFor(() => expect(states()).toEqual(["ai", "ai", "ai", "ai"]));
  expect(asked.mock.calls.map(([request]) => request)).toEqual(
    urls.slice(1, 3).map((url) => ({ kind: "check-url", url })),
  );
  expect(titleOf()).toBe("Likely AI");
  page.tryAgain();
  expect(asked).toHaveBeenCalledTimes(2);
});

test("at the time that the answer names, the page tries again by itself, without flicker", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  asked.mockResolvedValue(down(60));
  showWithBadges(makeImage());
  await vi.advanceTimersByTimeAsync(0);
  expect(states()).toEqual(["unavailable"]);
  let answer = (_outcome: Outcome) => {};
  asked.mockClear().mockReturnValue(new Promise((resolve) => (answer = resolve)));
  await vi.advanceTimersByTimeAsync(59_000);
  expect(asked).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(2000);
  expect(asked).toHaveBeenCalledOnce();
  expect(states()).toEqual(["unavailable"]);
  answer(classified());
  await vi.advanceTimersByTimeAsync(0);
  expect(states()).toEqual(["ai"]);
  vi.useRealTimers();
});

test("an image without an address on the web recovers, too, and is not cancelled", async () => {
  haveFiles(readable);
  asked.mockResolvedValue(down());
  const image = makeImage({ src: DATA });
  showWithBadges(image);
  await vi.waitFor(() => expect(states()).toEqual(["unavailable"]));
  expect(badges()[0]!.classList).toContain("dot");
  asked.mockClear().mockResolvedValue(classified());
  page.tryAgain();
  await vi.waitFor(() => expect(states()).toEqual(["ai"]));
  expect(checksOf("check-bytes")).toHaveLength(1);
  asked.mockReturnValue(new Promise(() => {}));
  bringNear(image, false);
  bringNear(image);
  bringNear(image, false);
  expect(checksOf("cancel")).toHaveLength(0);
});

test("an image that scrolls away is not waited for", async () => {
  asked.mockReturnValue(new Promise(() => {}));
  const [image, twin] = [makeImage(), makeImage()];
  showWithBadges(image, twin);
  bringNear(image, false);
  expect(checksOf("cancel")).toHaveLength(0); // The twin still waits.
  bringNear(twin, false);
  expect(checksOf("cancel")).toEqual([[{ kind: "cancel", url: "https://x.example/a.jpg" }]]);
});

test("nothing is cancelled that has been answered", async () => {
  const image = makeImage();
  showWithBadges(image);
  await vi.waitFor(() => expect(states()).toEqual(["ai"]));
  bringNear(image, false);
  expect(checksOf("cancel")).toHaveLength(0);
});

test("a service worker that is stopped before it answers is asked again", async () => {
  asked.mockRejectedValueOnce(new Error("The message channel closed."));
  showWithBadges(makeImage());
  await vi.waitFor(() => expect(states()).toEqual(["ai"]));
  expect(checksOf("check-url")).toHaveLength(2);
});

// Checks that the user asks for in other ways than the menu of an image

test("a check of all images is asked for, as long as badges stay off", async () => {
  haveFiles(readable);
  const [image, inline] = [makeImage(), makeImage({ src: DATA })];
  document.body.append(image, inline);
  page.checkAll();
  page.setBadges(false);
  bringNear(image);
  bringNear(inline);
  await vi.waitFor(() => expect(states()).toEqual(["ai", "ai"]));
  expect(asked.mock.calls.map(([request]) => request)).toEqual([
    { kind: "check-url", url: "https://x.example/a.jpg", asked: true },
    { kind: "check-bytes", data: "data:image/png;base64,eA==", asked: true },
  ]);
  asked.mockClear();
  page.setBadges(true);
  bringNear(image);
  await vi.waitFor(() => expect(states()).toEqual(["ai"]));
  expect(asked.mock.lastCall).toEqual([{ kind: "check-url", url: "https://x.example/a.jpg" }]);
});

test("images that were only looked up are checked when all are", async () => {
  asked.mockImplementation(async (request) =>
    request.kind === "check-url" && request.asked ? classified() : UNKNOWN,
  );
  const image = makeImage();
  showWithBadges(image);
  await vi.waitFor(() => expect(states()).toEqual(["unknown"]));
  page.checkAll();
  bringNear(image);
  await vi.waitFor(() => expect(states()).toEqual(["ai"]));
});

test("an image that is not known yet has a dot, and its card offers the check", async () => {
  asked.mockResolvedValueOnce(UNKNOWN);
  showWithBadges(makeImage());
  await vi.waitFor(() => expect(states()).toEqual(["unknown"]));
  expect(badges()[0]!.classList).toContain("dot");
  expect(badges()[0]!.title).toContain("Not known yet");
  badges()[0]!.click();
  await vi.waitFor(() => expect(titleOf()).toBe("Not known yet"));
  expect(actions().map(({ textContent }) => textContent)).toEqual(["Check image"]);
  click(actions()[0]!);
  await vi.waitFor(() => expect(states()).toEqual(["ai"]));
  expect(checksOf("check-now")).toHaveLength(1);
});

test("the card of a looked-up verdict says no more than is known, and offers the check", async () => {
  const { image } = verdict();
  asked.mockResolvedValue(classified({ image: { ...image, sha256: "" }, members: {} }));
  showWithBadges(makeImage());
  await vi.waitFor(() => expect(states()).toEqual(["ai"]));
  badges()[0]!.click();
  await vi.waitFor(() => expect(titleOf()).toBe("Likely AI"));
  expect(card().textContent).not.toContain("Found in the file");
  expect(card().textContent).toContain("Only the start of a hash");
  expect(actions().map(({ textContent }) => textContent)).toEqual(["Check image"]);
});

test("the image of a link is checked by its address alone", async () => {
  haveFiles(readable);
  asked.mockResolvedValue(unavailable("not_an_image"));
  await page.checkLink("https://x.example/large.jpg");
  expect(asked.mock.calls.map(([request]) => request)).toEqual([
    { kind: "check-now", url: "https://x.example/large.jpg", again: false },
  ]);
  expect(titleOf()).toBe("Unavailable");
});

test("the image in focus is checked", async () => {
  expect(page.checkPointed()).toBe(false);
  const link = document.createElement("a");
  link.href = "https://x.example/";
  link.append(makeImage());
  document.body.append(link);
  link.focus();
  expect(page.checkPointed()).toBe(true);
  await vi.waitFor(() => expect(titleOf()).toBe("Likely AI"));
});

test("where there is no image to check, a card says what to do", async () => {
  await page.showNone();
  expect(card().textContent).toContain("Point at an image");
  expect(actions()).toEqual([]);
  expect(asked).not.toHaveBeenCalled();
});

// What the card offers about a verdict

const tools = () => [...card().querySelectorAll<HTMLButtonElement>(".tools button")];
const tool = (name: string) => tools().find(({ textContent }) => textContent === name)!;
const said = () => [...card().querySelectorAll(".status")].map(({ textContent }) => textContent).join("");

async function openForm(): Promise<void> {
  await page.checkTarget("https://x.example/a.jpg");
  click(tool("This is wrong"));
}

function answer(says: string): void {
  const radio = card().querySelector<HTMLInputElement>(`input[value=${says}]`)!;
  radio.checked = true;
  radio.dispatchEvent(new Event("change"));
}

test("a wrong verdict is contested only after an answer and a click, and thanks are said", async () => {
  await openForm();
  expect(card().textContent).toContain("Your browser sends your answer, your note, and the image’s address");
  expect(tool("Send").disabled).toBe(true);
  answer("real");
  card().querySelector("textarea")!.value = " My photo. ";
  tool("Send").click(); // A script's click, which must do nothing.
  expect(checksOf("contest")).toHaveLength(0);
  asked.mockResolvedValueOnce({} as never);
  click(tool("Send"));
  await vi.waitFor(() => expect(said()).toBe("Thank you. The server has your answer."));
  expect(asked.mock.lastCall![0]).toEqual({
    kind: "contest",
    url: "https://x.example/a.jpg",
    sha256: "ab".repeat(32),
    says: "real",
    comment: "My photo.",
  });
});

test("the card says why feedback was not sent, and what was entered stays", async () => {
  await openForm();
  answer("ai");
  card().querySelector("textarea")!.value = "A note.";
  asked.mockResolvedValueOnce({ failure: { code: "quota_spent", detail: "" } } as never);
  click(tool("Send"));
  await vi.waitFor(() => expect(said()).toMatch(/^Not sent: quota used up\. You have used up/));
  expect(card().querySelector("textarea")!.value).toBe("A note.");
  expect(tool("Send").disabled).toBe(false);
  click(tool("Cancel"));
  expect(shadow().activeElement).toBe(tool("This is wrong"));
});

test("a link to the server's page is copied", async () => {
  const writeText = vi.fn().mockResolvedValue(undefined);
  vi.stubGlobal("navigator", { clipboard: { writeText } });
  await page.checkTarget("https://x.example/a.jpg?b&c");
  click(tool("Copy link"));
  await vi.waitFor(() => expect(said()).toBe("Link copied."));
  const link = "http://127.0.0.1:8750/?url=https%3A%2F%2Fx.example%2Fa.jpg%3Fb%26c";
  expect(writeText).toHaveBeenCalledExactlyOnceWith(link);
});

test("where the browser has no clipboard, the link is copied from a field, or shown", async () => {
  vi.stubGlobal("navigator", {});
  const execCommand = vi.fn().mockReturnValueOnce(true).mockReturnValueOnce(false);
  document.execCommand = execCommand;
  await page.checkTarget("https://x.example/a.jpg");
  click(tool("Copy link"));
  await vi.waitFor(() => expect(said()).toBe("Link copied."));
  click(tool("Copy link"));
  await vi.waitFor(() => expect(said()).toContain("/?url=https%3A%2F%2Fx.example%2Fa.jpg"));
  expect(card().querySelector("textarea")).toBeNull();
});

test("a verdict can be checked again, past every cache", async () => {
  await page.checkTarget("https://x.example/a.jpg");
  asked.mockClear();
  click(tool("Check again"));
  await vi.waitFor(() => expect(checksOf("check-now")).toHaveLength(1));
  expect(asked.mock.calls[0]![0]).toMatchObject({ again: true });
});

test("an image without a web address has no link and nothing to fetch again", async () => {
  haveFiles(readable);
  await page.checkTarget(DATA);
  expect(tools().map(({ textContent }) => textContent)).toEqual(["This is wrong"]);
  click(tools()[0]!);
  expect(card().textContent).toContain("the hash of the image file");
});

test.each([
  ["https://x.example/small.jpg", [320, 240], true],
  ["https://x.example/small.jpg", [640, 480], false],
  ["https://x.example/a.jpg", [320, 240], false],
] as const)("of a shown %s of %j pixels a larger version was judged: %s", async (src, natural, isLarger) => {
  const image = makeImage({ src, natural: [...natural] });
  image.srcset = `${src} 1x, https://x.example/a.jpg 2x`;
  showWithBadges(image);
  await vi.waitFor(() => expect(states()).toEqual(["ai"]));
  badges()[0]!.click();
  await vi.waitFor(() => expect(titleOf()).toBe("Likely AI"));
  expect(card().textContent!.includes("a larger version than the page shows")).toBe(isLarger);
});

test("a stricter threshold applies at once to badges, counts, veils and the card", async () => {
  page.setLook({ ...DEFAULTS, flagged: "blur" });
  const image = makeImage();
  showWithBadges(image);
  await vi.waitFor(() => expect(image.style.filter).not.toBe(""));
  await page.checkTarget("https://x.example/a.jpg");
  const changed = vi.fn();
  page.onReport(changed);
  page.setLook({ ...DEFAULTS, flagged: "blur", ownThreshold: 0.95 });
  expect(badges()[0]!.textContent).toContain("Uncertain, leans AI 93%");
  expect(page.report()).toMatchObject({ counts: { ai: 0, uncertain: 1 }, flagged: [] });
  expect(changed).toHaveBeenCalled();
  expect(titleOf()).toBe("Uncertain, leans AI");
  expect(card().textContent).toContain("you chose to flag images only from 95% on");
  await vi.waitFor(() => expect(image.style.filter).toBe(""));
  page.setLook({ ...DEFAULTS, flagged: "blur", ownThreshold: 0.9 });
  expect(titleOf()).toBe("Likely AI");
  expect(page.report().counts.ai).toBe(1);
});

test("other words and another threshold keep what was entered into the form", async () => {
  await openForm();
  answer("real");
  const note = card().querySelector("textarea")!;
  note.value = "My photo.";
  note.focus();
  page.setLook({ ...DEFAULTS, ownThreshold: 0.95 });
  const names = ["leans_ai", "feedback_send", "feedback_question", "feedback_cancel", "card_wrong"];
  const texts = Object.fromEntries(names.map((name) => [name, `<${name}>`]));
  await fakeBrowser.storage.local.set({ language: { name: "de", texts: { ...texts, language: "de" } } });
  await loadLanguage();
  page.localise();
  expect(titleOf()).toBe("<leans_ai>");
  expect(card().querySelector("textarea")).toBe(note);
  expect([note.value, shadow().activeElement]).toEqual(["My photo.", note]);
  expect(tool("<feedback_send>").disabled).toBe(false);
  expect(card().querySelector("legend")!.textContent).toBe("<feedback_question>");
  click(tool("<feedback_cancel>"));
  expect(shadow().activeElement).toBe(tool("<card_wrong>"));
});

test("the card says what decided, and that the probability is the pixels'", async () => {
  const evidence = [fact({ trusted: true, origin: "generated", signer: "<b>Example</b>" })];
  asked.mockResolvedValue(classified({ decided_by: "credentials", probability: 0.12, evidence }));
  await page.checkTarget("https://x.example/a.jpg");
  expect([...card().querySelectorAll(".summary p")].map(({ textContent }) => textContent)).toEqual([
    "Decided by Content Credentials of a trusted signer.",
    "The pixels alone: 12% probability that the image is AI-made",
  ]);
  expect(card().textContent).toContain("Created by a generative modelSigned by <b>Example</b>");
});

test("similar images are listed with their results", async () => {
  const similar = [{ label: "real", probability: 0.04, checked_at: "2026-11-22T15:30:00Z" }] as const;
  asked.mockResolvedValue(classified({ similar: [...similar] }));
  await page.checkTarget("https://x.example/a.jpg");
  expect(card().textContent).toMatch(/Similar images seen beforeNo sign of AI 4%Nov 2\d, 2026/);
  expect(card().textContent).toContain("A copy can be edited.");
});

// Where the image looks AI-made

const toggle = () => card().querySelector<HTMLButtonElement>(".explanation > button")!;
const map = () => card().querySelector<HTMLElement>(".map")!;
const picture = () => map().querySelector<HTMLElement>("[role=img]")!;
const SHA256 = "ab".repeat(32);
const WEB = { kind: "explain", sha256: SHA256, url: "https://x.example/a.jpg" };
const SENTENCES = ["In our test, it was wrong."];
const explained = (answer: object) => asked.mockResolvedValueOnce(answer as never);
const drawn = () => explained({ picture: "data:image/png;base64,eA==", sentences: SENTENCES });
const failed = (code: string) =>
  explained({ sentences: SENTENCES, failure: { code, detail: "The server says why." } });

/** Have pictures of this size be decoded. */
function decode(width: number, height: number): void {
  vi.stubGlobal("createImageBitmap", async () => ({ width, height }));
}

test("the map is asked for by a click only, and once; another click hides it", async () => {
  decode(40, 30);
  await page.checkTarget("https://x.example/a.jpg");
  expect(map().hidden).toBe(true);
  toggle().click(); // A script's click, which must do nothing.
  expect(checksOf("explain")).toHaveLength(0);
  let answer = (_answer: object) => {};
  asked.mockReturnValueOnce(new Promise((resolve) => (answer = resolve as never)));
  click(toggle());
  expect(map().textContent).toContain("The server draws the picture.");
  expect(map().ariaBusy).toBe("true");
  answer({ picture: "data:image/png;base64,eA==", sentences: SENTENCES });
  await vi.waitFor(() => expect(picture().hidden).toBe(false));
  expect(picture().ariaLabel).toContain("The image in grey under a map of colours");
  expect(map().textContent).toContain("a bright part is no proof");
  expect(map().querySelector("[lang=en] p")!.textContent).toBe(SENTENCES[0]);
  expect(picture().shadowRoot).toBeNull(); // It is closed to scripts of the page.
  click(toggle());
  expect([map().hidden, toggle().ariaExpanded]).toEqual([true, "false"]);
  click(toggle());
  expect([map().hidden, toggle().ariaExpanded]).toEqual([false, "true"]);
  expect(toggle().textContent).toBe("Hide where it looks AI-made");
  page.setLook({ ...DEFAULTS, ownThreshold: 0.95 });
  expect(picture().hidden).toBe(false);
  expect(checksOf("explain")).toEqual([[WEB]]);
});

test("a picture that failed says why, and can be tried for again", async () => {
  decode(40, 30);
  await page.checkTarget("https://x.example/a.jpg");
  failed("overloaded");
  click(toggle());
  const again = () => map().querySelector<HTMLButtonElement>("button")!;
  await vi.waitFor(() => expect(again().hidden).toBe(false));
  expect(map().textContent).toContain("No picture: server busy. The server is overloaded.");
  expect(map().textContent).toContain("The server says why.");
  expect(map().textContent).toContain(SENTENCES[0]);
  again().focus();
  drawn();
  click(again());
  expect(shadow().activeElement).toBe(toggle());
  await vi.waitFor(() => expect(picture().hidden).toBe(false));
  expect([again().hidden, checksOf("explain").length]).toEqual([true, 2]);
});

test("where the server cannot fetch the image again, its file is sent, as in a check", async () => {
  decode(40, 30);
  haveFiles(readable);
  await page.checkTarget("https://x.example/a.jpg");
  failed("not_at_hand");
  drawn();
  click(toggle());
  await vi.waitFor(() => expect(picture().hidden).toBe(false));
  const file = { kind: "explain", sha256: SHA256, data: "data:image/png;base64,eA==" };
  expect(checksOf("explain")).toEqual([[WEB], [file]]);
});

test("where the page may not read it either, the worker tries, else the first reason stays", async () => {
  await page.checkTarget("https://x.example/a.jpg");
  failed("not_at_hand");
  failed("access_needed");
  click(toggle());
  await vi.waitFor(() => expect(map().textContent).toContain("No picture: image not at hand."));
  expect(checksOf("explain")).toEqual([[WEB], [{ ...WEB, isLocal: true }]]);
});

test("an image without a web address is explained by its file, and a look-up not at all", async () => {
  decode(40, 30);
  haveFiles(readable);
  await page.checkTarget(DATA);
  drawn();
  click(toggle());
  await vi.waitFor(() => expect(picture().hidden).toBe(false));
  expect(checksOf("explain")).toMatchObject([[{ data: "data:image/png;base64,eA==" }]]);
  asked.mockResolvedValue(classified({ image: { ...verdict().image, sha256: "" } }));
  await page.checkTarget("https://x.example/b.jpg");
  expect(toggle()).toBeNull();
});
