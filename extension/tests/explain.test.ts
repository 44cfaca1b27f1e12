// @vitest-environment node
import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { Api } from "../lib/api";
import { getExplanation } from "../lib/worker/explain";
import type { Explain } from "../lib/messages";
import { type Reply, serve } from "./server";

const URL = "https://x.example/a b.jpg?c=d&e";
const PAGE = "https://p.example";
/** Of the bytes "x". */
const SHA256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
const PATH = `/v1/images/${SHA256}/explanation`;
const WORDS = { body: { sentences: ["The pixels decided.", 7] } };
const PICTURE = { body: "png" };

beforeEach(() => {
  // Node.js has no FileReader.
  class FakeReader {
    result = "";
    onload = () => {};
    readAsDataURL(blob: Blob) {
      void blob.text().then((text) => {
        this.result = `data:;base64,${btoa(text)}`;
        this.onload();
      });
    }
  }
  vi.stubGlobal("FileReader", FakeReader);
});

async function explain(change: Partial<Explain>, ...replies: Reply[]) {
  const server = await serve(() => replies.shift()!);
  const request: Explain = { kind: "explain", sha256: SHA256, ...change };
  const answer = await getExplanation(new Api(server.url, "k"), request, PAGE);
  return { answer, requests: server.requests };
}

test("the server fetches an image on the web again, and is told the page's origin", async () => {
  const { answer, requests } = await explain({ url: URL }, WORDS, PICTURE);
  expect(answer).toEqual({ picture: `data:;base64,${btoa("png")}`, sentences: ["The pixels decided."] });
  const query = new URLSearchParams({ url: URL, page: PAGE });
  expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
    `GET ${PATH}/text`,
    `GET ${PATH}?${query}`,
  ]);
  expect(requests.every(({ authorization }) => authorization === "Bearer k")).toBe(true);
});

test("a file is sent as it is, and only if it is the judged one", async () => {
  const { requests } = await explain({ data: "data:,x" }, WORDS, PICTURE);
  expect(requests[1]).toMatchObject({ method: "POST", path: PATH, body: "x" });
  const other = await explain({ data: "data:,y" }, WORDS);
  expect(other.answer.failure?.code).toBe("changed");
  expect(other.requests).toHaveLength(1);
});

test("the worker fetches a file only where the user has allowed it", async () => {
  Object.assign(fakeBrowser.permissions, { contains: async () => false });
  const { answer, requests } = await explain({ url: URL, isLocal: true }, WORDS);
  expect(answer.failure?.code).toBe("access_needed");
  expect(requests).toHaveLength(1);
});

test.each([
  [404, "not_at_hand"],
  [422, "not_at_hand"],
  [409, "changed"],
  [504, "overloaded"],
  [429, "quota_spent"],
  [401, "key_wrong"],
  [500, "server_error"],
])("the status %d means %s; what the verdict rests on is still told", async (status, code) => {
  const { answer } = await explain({ url: URL }, WORDS, { status, body: { detail: "Why." } });
  expect(answer).toEqual({
    sentences: ["The pixels decided."],
    failure: { code, detail: "Why." },
  });
});

test("a picture comes without words where those fail", async () => {
  const { answer } = await explain({ url: URL }, { status: 500, body: {} }, PICTURE);
  expect(answer).toMatchObject({ picture: expect.any(String), sentences: [] });
});
