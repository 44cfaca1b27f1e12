// @vitest-environment node
import { beforeEach, expect, test, vi } from "vitest";
import { Api } from "../lib/api";
import { type Outcome, stateOf } from "../lib/verdict";
import { Gate } from "../lib/worker/gate";
import { Lookups } from "../lib/worker/lookups";
import { verdict } from "./examples";
import { type FakeServer, type Reply, serve } from "./server";

const URL = "https://example.com/photo.jpg";
const HASH = "5cd76d96bc2f2aecf99356e54cb349c5efb270c1cd0d030b78511575174af695";

let server: FakeServer;
let lookups: Lookups;
let reply: Reply;
let answer: () => Promise<Reply>;

const hashed = (change: object = {}) => {
  const { label, probability, model_version, checked_at, expires_at } = verdict();
  return { hash: HASH, label, probability, model_version, checked_at, expires_at, ...change };
};

beforeEach(async () => {
  reply = { body: { prefix: "5cd76", verdicts: [hashed({ hash: "5cd76" }), hashed()] } };
  answer = async () => reply;
  server = await serve(() => answer());
  const gate = new Gate(vi.fn());
  lookups = new Lookups(async () => new Api(server.url), gate);
});

const codeOf = (outcome: Outcome) =>
  outcome.state === "unavailable" ? outcome.failure.code : "none";

test("the server is told five digits of the hash, and nothing else", async () => {
  const outcome = await lookups.lookUp(URL);
  expect(outcome).toMatchObject({ state: "classified", verdict: { label: "ai", probability: 0.93 } });
  expect(server.requests).toMatchObject([{ method: "GET", path: "/v1/lookups/5cd76", body: "" }]);
});

// The examples of docs/api.md.
test.each([
  [URL, "5cd76"],
  ["HTTPS://Example.COM:443/a/../photo.jpg#top", "5cd76"],
  ["https://example.com/%7euser/photo%2ejpg", "47776"],
  ["https://example.com/~user/photo.jpg?", "a30c6"],
  ["http://bücher.example/é?q=ü", "15fbc"],
  ["https://example.com", "0f115"],
])("the hash of %s begins with %s", async (url, prefix) => {
  await lookups.lookUp(url);
  expect(server.requests[0]!.path).toBe(`/v1/lookups/${prefix}`);
});

test("another address with the same digits is not taken for this one", async () => {
  reply = { body: { verdicts: [hashed({ hash: HASH.replace("d96", "d97") })] } };
  expect(stateOf(await lookups.lookUp(URL))).toBe("unknown");
});

test("an expired verdict is not known", async () => {
  reply = { body: { verdicts: [hashed({ expires_at: "2020-01-01T00:00:00Z" })] } };
  expect(stateOf(await lookups.lookUp(URL))).toBe("unknown");
});

test.each([
  [0.6, "ai"],
  [0.59, "none"],
  [0.41, "none"],
  [0.4, "real"],
])("an uncertain verdict of %d leans to %s", async (probability, lean) => {
  reply = { body: { verdicts: [hashed({ label: "uncertain", probability })] } };
  expect(await lookups.lookUp(URL)).toMatchObject({ verdict: { label: "uncertain", lean } });
});

test("addresses with the same digits are one request at a time", async () => {
  const digest = vi.spyOn(crypto.subtle, "digest");
  answer = async () => {
    await vi.waitFor(() => expect(digest).toHaveResolvedTimes(2));
    return reply;
  };
  await Promise.all([lookups.lookUp(URL), lookups.lookUp(`${URL}#top`)]);
  expect(server.requests).toHaveLength(1);
});

test("a server in trouble is not asked for each image", async () => {
  reply = { status: 503, body: {} };
  expect(codeOf(await lookups.lookUp(URL))).toBe("server_not_ready");
  expect(codeOf(await lookups.lookUp("https://example.com/"))).toBe("server_not_ready");
  expect(server.requests).toHaveLength(1);
});

test("an answer that is none of Assay's is told", async () => {
  reply = { body: {} };
  expect(codeOf(await lookups.lookUp(URL))).toBe("not_assay");
});
