// @vitest-environment node
import { beforeEach, expect, test, vi } from "vitest";
import { Api } from "../lib/api";
import { retryTime, stateOf } from "../lib/verdict";
import { Gate } from "../lib/worker/gate";
import { Uploads } from "../lib/worker/uploads";
import { doneItem } from "./examples";
import { type FakeServer, type Reply, serve } from "./server";

const REAL: Reply = { body: { id: "c", items: [doneItem("sha256:00", { label: "real" })] } };
const DOWN: Reply = { status: 500, body: {} };

let server: FakeServer;
let uploads: Uploads;
let answer: () => Reply | Promise<Reply>;

beforeEach(async () => {
  answer = () => REAL;
  server = await serve(() => answer());
  uploads = new Uploads(async () => new Api(server.url), new Gate(() => {}));
});

const file = (content: string | number) => new Blob([String(content)]);

test("uploaded bytes are judged", async () => {
  expect(stateOf(await uploads.check(file("x")))).toBe("real");
  answer = () => ({ status: 413, body: {} });
  expect(await uploads.check(file("y"))).toMatchObject({ failure: { code: "too_large" } });
});

test("the same bytes are uploaded once, unless they are to be checked again", async () => {
  await Promise.all([uploads.check(file("x")), uploads.check(file("x"))]);
  await uploads.check(file("x"));
  await uploads.checkNow(file("x"), false);
  expect(server.requests).toHaveLength(1);
  await uploads.checkNow(file("x"), true);
  await uploads.check(file("other"));
  expect(server.requests).toHaveLength(3);
});

test("four files are uploaded at the same time, and the others after them", async () => {
  let running = 0;
  let most = 0;
  answer = async () => {
    most = Math.max(most, ++running);
    // Give it the time to send more.
    await vi.waitUntil(() => running >= 4 || server.requests.length > 4);
    await new Promise(setImmediate);
    running--;
    return REAL;
  };
  const files = Array.from({ length: 8 }, (_, index) => file(index));
  const outcomes = await Promise.all(files.map((each) => uploads.check(each)));
  expect(outcomes.map(stateOf)).toEqual(files.map(() => "real"));
  expect(most).toBe(4);
});

test("a server in trouble is sent no files for badges, but what the user asks for", async () => {
  answer = () => DOWN;
  expect(retryTime(await uploads.check(file("x")))).toBeGreaterThan(Date.now());
  answer = () => REAL;
  expect(retryTime(await uploads.check(file("x")))).toBeGreaterThan(Date.now());
  expect(server.requests).toHaveLength(1);
  expect(stateOf(await uploads.checkNow(file("y"), false))).toBe("real");
  expect(stateOf(await uploads.check(file("x")))).toBe("real");
});
