// @vitest-environment node
import { expect, test } from "vitest";
import { Api } from "../lib/api";
import type { Contest } from "../lib/messages";
import { sendContest } from "../lib/worker/contest";
import { type Reply, serve } from "./server";

const URL = "https://x.example/a.jpg";
const SHA256 = "ab".repeat(32);
const NONE = { status: 404, body: { detail: "Assay has no verdict for this image." } };
const DONE = { status: 201, body: {} };

async function contest(change: Partial<Contest>, ...replies: Reply[]) {
  const server = await serve(() => replies.shift()!);
  const request: Contest = { kind: "contest", url: URL, sha256: SHA256, says: "real", comment: "" };
  const answer = await sendContest(new Api(server.url, "k"), { ...request, ...change });
  return { answer, requests: server.requests };
}
const bodies = (requests: { body: string }[]) => requests.map(({ body }) => JSON.parse(body));

test("an image on the web is contested by its address, with the note if there is one", async () => {
  const { answer, requests } = await contest({ comment: "My photo." }, DONE);
  expect(answer).toEqual({});
  expect(requests).toMatchObject([
    { method: "POST", path: "/v1/feedback", authorization: "Bearer k" },
  ]);
  expect(bodies(requests)).toEqual([{ url: URL, says: "real", comment: "My photo." }]);
});

test("an image whose file was sent is contested by its hash", async () => {
  const { answer, requests } = await contest({}, NONE, DONE);
  expect(answer).toEqual({});
  expect(bodies(requests)).toEqual([
    { url: URL, says: "real" },
    { sha256: SHA256, says: "real" },
  ]);
});

test("an address that is not of the web is never sent", async () => {
  const { requests } = await contest({ url: "data:image/png;base64,AAAA", says: "ai" }, DONE);
  expect(bodies(requests)).toEqual([{ sha256: SHA256, says: "ai" }]);
});

test.each([
  ["no_verdict", [NONE, NONE]],
  ["quota_spent", [{ status: 429, body: { detail: "Wait." } }]],
  ["key_wrong", [{ status: 401, body: {} }]],
])("the failure %s is told", async (code, replies) => {
  const { answer } = await contest({}, ...replies);
  expect(answer.failure?.code).toBe(code);
});
