// @vitest-environment node
import { beforeEach, expect, test, vi } from "vitest";
import { Api } from "../lib/api";
import { type Outcome, retryTime, stateOf } from "../lib/verdict";
import { Checker } from "../lib/worker/checker";
import { Gate } from "../lib/worker/gate";
import { doneItem, failedItem } from "./examples";
import { type FakeServer, type Reply, type Request, serve } from "./server";

const urlsOf = ({ body }: Request): string[] => JSON.parse(body).urls;

let server: FakeServer;
let checker: Checker;
/** What the gate told: codes of failures, and "" for none. */
const told = vi.fn<(code: string) => void>();
let answer: (request: Request) => Reply | Promise<Reply>;

beforeEach(async () => {
  answer = (request) => ({ body: { id: "c", items: urlsOf(request).map((url) => doneItem(url)) } });
  server = await serve((request) => answer(request));
  told.mockClear();
  checker = startWorker();
});

/** Start the service worker's part, as the browser does after it has stopped it. */
function startWorker(): Checker {
  const gate = new Gate((failure) => told(failure?.code ?? ""));
  return new Checker(async () => new Api(server.url), gate);
}

/** Check an image for a badge. */
const check = (url: string, page?: string, asker = "tab") => checker.check(url, page, asker);

const codeOf = (outcome: Outcome) =>
  outcome.state === "unavailable" ? outcome.failure.code : "none";

test("pending that come together are one request", async () => {
  const outcomes = await Promise.all(["a", "b", "c"].map((url) => check(url, "https://p")));
  expect(outcomes.map(stateOf)).toEqual(["ai", "ai", "ai"]);
  expect(server.requests.map(urlsOf)).toEqual([["a", "b", "c"]]);
});

test("a URL is asked about once at a time, whoever asks", async () => {
  await Promise.all([check("a", "https://p"), check("a", "https://q")]);
  expect(server.requests.map(urlsOf)).toEqual([["a"]]);
});

test("pages of two origins are not told of each other", async () => {
  await Promise.all([check("a", "https://p"), check("b", "https://q")]);
  const pages = server.requests.map(({ body }) => JSON.parse(body).page);
  expect(pages.sort()).toEqual(["https://p", "https://q"]);
});

test("250 pending are three requests of at most 100", async () => {
  const urls = Array.from({ length: 250 }, (_, index) => `u${index}`);
  await Promise.all(urls.map((url) => check(url)));
  const sizes = server.requests.map((request) => urlsOf(request).length);
  expect(sizes.sort()).toEqual([100, 100, 50]);
});

test("a known verdict is not asked for again, also by a worker that was started again", async () => {
  await check("a");
  checker = startWorker();
  expect(stateOf(await check("a"))).toBe("ai");
  expect(server.requests).toHaveLength(1);
});

test("a verdict that has expired is asked for again", async () => {
  answer = () => ({
    body: { id: "c", items: [doneItem("a", { expires_at: "2020-01-01T00:00:00Z" })] },
  });
  await check("a");
  await check("a");
  expect(server.requests).toHaveLength(2);
});

test("an image's failure is cached, for a minute", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  answer = () => ({ body: { id: "c", items: [failedItem("a", "corrupt_image")] } });
  expect(codeOf(await check("a"))).toBe("corrupt_image");
  await check("a");
  expect(server.requests).toHaveLength(1);
  vi.advanceTimersByTime(61_000);
  await check("a");
  expect(server.requests).toHaveLength(2);
  vi.useRealTimers();
});

test("what is known is told while the rest is pending", async () => {
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  answer = async ({ method }) => {
    if (method === "POST") {
      const items = [doneItem("a"), { url: "b", status: "pending" }];
      return { status: 202, body: { id: "c", items } };
    }
    await held;
    return { body: { id: "c", items: [doneItem("a"), failedItem("b", "timeout")] } };
  };
  const [a, b] = [check("a"), check("b")];
  expect(stateOf(await a)).toBe("ai");
  release();
  expect(codeOf(await b)).toBe("timeout");
});

test("checking again passes every cache by", async () => {
  await check("a");
  await checker.checkNow("a", "https://p", true);
  expect(JSON.parse(server.requests[1]!.body)).toEqual({
    urls: ["a"],
    wait: 0,
    page: "https://p",
    force: true,
  });
});

test("a URL too long for the server is refused without taking others down with it", async () => {
  const longest = "https://x/".padEnd(4096, "y"); // MAX_URL_LENGTH of the server
  const [refused, fine] = await Promise.all([
    check(`${longest}y`),
    check(longest),
  ]);
  expect(codeOf(refused)).toBe("bad_url");
  expect(stateOf(fine)).toBe("ai");
  expect(server.requests.map(urlsOf)).toEqual([[longest]]);
});

test("an answer with items missing leaves nobody waiting", async () => {
  answer = () => ({ body: { id: "c", items: [] } });
  expect(codeOf(await check("a"))).toBe("not_assay");
});

// A server in trouble

const DOWN = { status: 500, body: {} };
const fine = (request: Request): Reply => ({
  body: { id: "c", items: urlsOf(request).map((url) => doneItem(url)) },
});

const checkMany = (count: number) =>
  Promise.all(Array.from({ length: count }, (_, index) => check(`u${index}`, `https://p${index % 5}`)));

test("a server that fails is asked once, not once for each image, page or worker", async () => {
  answer = () => DOWN;
  const outcomes = await checkMany(300);
  expect(new Set(outcomes.map(codeOf))).toEqual(new Set(["server_error"]));
  checker = startWorker();
  expect(codeOf(await check("later"))).toBe("server_error");
  expect(server.requests).toHaveLength(1);
  expect(told.mock.calls).toEqual([["server_error"]]);
});

test("every outcome says when the server is tried again, and then it is, by one request", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  answer = () => DOWN;
  const [first] = await checkMany(3);
  const time = retryTime(first)!;
  expect(time - Date.now()).toBe(5000);
  vi.setSystemTime(time);
  const [second] = await checkMany(3);
  expect(retryTime(second)! - Date.now()).toBe(10_000);
  expect(server.requests).toHaveLength(2);
  answer = fine;
  vi.setSystemTime(retryTime(second)!);
  expect((await checkMany(3)).map(stateOf)).toEqual(["ai", "ai", "ai"]);
  expect(told).toHaveBeenLastCalledWith("");
  vi.useRealTimers();
});

test("pauses grow to a minute and no further, also over restarts of the worker", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  answer = () => DOWN;
  const pauses: number[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    checker = startWorker();
    const time = retryTime(await check("a"))!;
    pauses.push((time - Date.now()) / 1000);
    vi.setSystemTime(time);
  }
  expect(pauses).toEqual([5, 10, 20, 40, 60, 60]);
  vi.useRealTimers();
});

test.each([
  [429, "quota_spent"],
  [503, "server_not_ready"],
])("after status %i the server is asked again at the time that it gave", async (status, code) => {
  vi.useFakeTimers({ toFake: ["Date"] });
  answer = () => ({ status, headers: { "Retry-After": "700" }, body: {} });
  const outcome = await check("a");
  expect(codeOf(outcome)).toBe(code);
  expect(retryTime(outcome)! - Date.now()).toBe(700_000);
  vi.advanceTimersByTime(699_000);
  answer = fine;
  expect(codeOf(await check("a"))).toBe(code);
  expect(server.requests).toHaveLength(1);
  vi.advanceTimersByTime(2000);
  expect(stateOf(await check("a"))).toBe("ai");
  vi.useRealTimers();
});

test("a user who asks is not held back, and success ends the wait for all", async () => {
  answer = () => DOWN;
  await check("a");
  answer = fine;
  expect(stateOf(await checker.checkNow("b", undefined, false))).toBe("ai");
  expect(stateOf(await check("a"))).toBe("ai");
  expect(told.mock.calls).toEqual([["server_error"], [""]]);
});

test("a batch that is more than a whole quota is sent in smaller ones", async () => {
  const quota = 7;
  answer = (request) => (urlsOf(request).length > quota ? { status: 413, body: {} } : fine(request));
  expect((await checkMany(50)).map(stateOf)).toEqual(Array(50).fill("ai"));
  const refused = server.requests.filter((request) => urlsOf(request).length > quota);
  expect(refused.length).toBeLessThan(4);
  expect(told).not.toHaveBeenCalled();
});

test("where a quota does not allow one image, it is said to be too small", async () => {
  answer = () => ({ status: 413, body: { detail: "At most 0 URLs a day are allowed." } });
  expect((await checkMany(3)).map(codeOf)).toEqual(Array(3).fill("quota_too_small"));
});

// Politeness

/** Have the server answer nothing until it is released. */
function hold(): () => void {
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  answer = async (request) => {
    await held;
    return fine(request);
  };
  return release;
}

test("what scrolled away before it was sent is not sent, unless someone else waits for it", async () => {
  const release = hold();
  const first = check("first");
  await vi.waitFor(() => expect(server.requests).toHaveLength(1));
  const [gone, shared] = [check("gone"), check("shared")];
  check("shared", undefined, "other tab");
  checker.cancel("gone", "tab");
  checker.cancel("shared", "tab");
  release();
  expect((await Promise.all([first, gone, shared])).map(stateOf)).toEqual(["ai", "unavailable", "ai"]);
  expect(server.requests.flatMap(urlsOf)).toEqual(["first", "shared"]);
});

test("an image that comes back before its check was dropped is checked", async () => {
  const asked = check("a");
  checker.cancel("a", "tab");
  void check("a");
  expect(stateOf(await asked)).toBe("ai");
});

test("while many images are unfinished, further ones wait, and a few slow ones do not matter", async () => {
  let isSlow = (_url: string) => true;
  const batches: string[][] = [];
  answer = (request) => {
    const { method, path } = request;
    if (method === "POST") batches.push(urlsOf(request));
    const id = method === "POST" ? String(batches.length - 1) : /checks\/(\d+)/.exec(path)![1]!;
    const items = batches[Number(id)]!.map((url) =>
      isSlow(url) ? { url, status: "pending" } : doneItem(url),
    );
    return { status: 202, body: { id, items } };
  };
  const outcomes = checkMany(250).then((all) => all.map(stateOf));
  const polls = () => server.requests.filter(({ method }) => method === "GET").length;
  await vi.waitFor(() => expect(polls()).toBeGreaterThan(3), 5000);
  expect(batches.flat()).toHaveLength(50);
  isSlow = (url) => url === "u0";
  await vi.waitFor(() => expect(batches.flat()).toHaveLength(250), 5000);
  isSlow = () => false;
  expect(await outcomes).toEqual(Array(250).fill("ai"));
});
