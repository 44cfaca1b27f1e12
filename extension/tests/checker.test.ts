// @vitest-environment node
import { beforeEach, expect, test, vi } from "vitest";
import { Api } from "../lib/api";
import { type Outcome, stateOf } from "../lib/verdict";
import { Checker } from "../lib/worker/checker";
import { doneItem, failedItem } from "./examples";
import { type FakeServer, type Reply, type Request, serve } from "./server";

const urlsOf = ({ body }: Request): string[] => JSON.parse(body).urls;

let server: FakeServer;
let checker: Checker;
let answer: (request: Request) => Reply | Promise<Reply>;

beforeEach(async () => {
  answer = (request) => ({ body: { id: "c", items: urlsOf(request).map((url) => doneItem(url)) } });
  server = await serve((request) => answer(request));
  checker = new Checker(async () => new Api(server.url));
});

const codeOf = (outcome: Outcome) =>
  outcome.state === "unavailable" ? outcome.failure.code : "none";

test("pending that come together are one request", async () => {
  const outcomes = await Promise.all(["a", "b", "c"].map((url) => checker.check(url, "https://p")));
  expect(outcomes.map(stateOf)).toEqual(["ai", "ai", "ai"]);
  expect(server.requests.map(urlsOf)).toEqual([["a", "b", "c"]]);
});

test("a URL is asked about once at a time, whoever asks", async () => {
  await Promise.all([checker.check("a", "https://p"), checker.check("a", "https://q")]);
  expect(server.requests.map(urlsOf)).toEqual([["a"]]);
});

test("pages of two origins are not told of each other", async () => {
  await Promise.all([checker.check("a", "https://p"), checker.check("b", "https://q")]);
  const pages = server.requests.map(({ body }) => JSON.parse(body).page);
  expect(pages.sort()).toEqual(["https://p", "https://q"]);
});

test("250 pending are three requests of at most 100", async () => {
  const urls = Array.from({ length: 250 }, (_, index) => `u${index}`);
  await Promise.all(urls.map((url) => checker.check(url, undefined)));
  const sizes = server.requests.map((request) => urlsOf(request).length);
  expect(sizes.sort()).toEqual([100, 100, 50]);
});

test("a known verdict is not asked for again, also by a worker that was started again", async () => {
  await checker.check("a", undefined);
  const restarted = new Checker(async () => new Api(server.url));
  expect(stateOf(await restarted.check("a", undefined))).toBe("ai");
  expect(server.requests).toHaveLength(1);
});

test("a verdict that has expired is asked for again", async () => {
  answer = () => ({
    body: { id: "c", items: [doneItem("a", { expires_at: "2020-01-01T00:00:00Z" })] },
  });
  await checker.check("a", undefined);
  await checker.check("a", undefined);
  expect(server.requests).toHaveLength(2);
});

test("an image's failure is cached, for a minute", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  answer = () => ({ body: { id: "c", items: [failedItem("a", "corrupt_image")] } });
  expect(codeOf(await checker.check("a", undefined))).toBe("corrupt_image");
  await checker.check("a", undefined);
  expect(server.requests).toHaveLength(1);
  vi.advanceTimersByTime(61_000);
  await checker.check("a", undefined);
  expect(server.requests).toHaveLength(2);
  vi.useRealTimers();
});

test("the server's own trouble is not cached: the next look may find it well", async () => {
  answer = () => ({ status: 503, body: {} });
  expect(codeOf(await checker.check("a", undefined))).toBe("server_not_ready");
  answer = () => ({ body: { id: "c", items: [doneItem("a")] } });
  expect(stateOf(await checker.check("a", undefined))).toBe("ai");
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
  const [a, b] = [checker.check("a", undefined), checker.check("b", undefined)];
  expect(stateOf(await a)).toBe("ai");
  release();
  expect(codeOf(await b)).toBe("timeout");
});

test("checking again passes every cache by", async () => {
  await checker.check("a", undefined);
  await checker.checkAgain("a", "https://p");
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
    checker.check(`${longest}y`, undefined),
    checker.check(longest, undefined),
  ]);
  expect(codeOf(refused)).toBe("bad_url");
  expect(stateOf(fine)).toBe("ai");
  expect(server.requests.map(urlsOf)).toEqual([[longest]]);
});

test("an answer with items missing leaves nobody waiting", async () => {
  answer = () => ({ body: { id: "c", items: [] } });
  expect(codeOf(await checker.check("a", undefined))).toBe("not_assay");
});

test("uploaded bytes are judged", async () => {
  answer = () => ({ body: { id: "c", items: [doneItem("sha256:00", { label: "real" })] } });
  expect(stateOf(await checker.checkBytes(new Blob(["x"])))).toBe("real");
  answer = () => ({ status: 413, body: {} });
  expect(codeOf(await checker.checkBytes(new Blob(["x"])))).toBe("too_large");
});
