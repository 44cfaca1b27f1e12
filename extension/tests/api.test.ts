// @vitest-environment node
import { expect, onTestFinished, test, vi } from "vitest";
import { Api, ApiError } from "../lib/api";
import { type News, type State, stateOf } from "../lib/verdict";
import { doneItem } from "./examples";
import { serve } from "./server";

async function statesOver(answers: AsyncGenerator<News>): Promise<Record<number, State>[]> {
  const states: Record<number, State>[] = [];
  for await (const news of answers) {
    states.push(Object.fromEntries([...news].map(([index, outcome]) => [index, stateOf(outcome)])));
  }
  return states;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: unknown) => (error instanceof ApiError ? error.code : String(error)),
  );

const event = (name: string, data: object) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

const headers = { "Content-Type": "text/event-stream" };

const pending = { id: "c1", items: [doneItem("a"), { url: "b", status: "pending" }] };

test("a check tells at once what is known, and the rest when the server does", async () => {
  const body = event("item", { ...doneItem("b", { label: "real" }), index: 1 }) + event("done", {});
  const server = await serve(({ method }) =>
    method === "POST" ? { status: 202, body: pending } : { headers, body },
  );
  const news = new Api(server.url).check(["a", "b"], { page: "https://p" });
  expect(await statesOver(news)).toEqual([{ 0: "ai" }, { 1: "real" }]);
  expect(JSON.parse(server.requests[0]!.body)).toEqual({
    urls: ["a", "b"],
    wait: 0,
    page: "https://p",
  });
  expect(server.requests.map(({ path }) => path)).toEqual(["/v1/checks", "/v1/checks/c1/events"]);
});

test.each([
  ["break off", { headers, body: ":\n\n" }],
  ["are no events", { headers, body: event("item", {}).replace("{}", "{") }],
  ["are not let through", { status: 502, body: "" }],
])("if the events %s, the server is asked for everything", async (_what, events) => {
  const done = { id: "c1", items: [doneItem("a"), doneItem("b", { label: "real" })] };
  const server = await serve(({ method, path }) => {
    if (method === "POST") return { status: 202, body: pending };
    return path.endsWith("/events") ? events : { body: done };
  });
  const states = await statesOver(new Api(server.url).check(["a", "b"], {}));
  expect(states.at(-1)).toEqual({ 0: "ai", 1: "real" });
  expect(server.requests.at(-1)!.path).toBe("/v1/checks/c1");
});

test("an upload is a multipart form with the image in it", async () => {
  const server = await serve(() => ({ body: { id: "u", items: [doneItem("sha256:00")] } }));
  const states = await statesOver(new Api(server.url).upload(new Blob(["BYTES"])));
  expect(states).toEqual([{ 0: "ai" }]);
  expect(server.requests[0]).toMatchObject({ method: "POST", path: "/v1/images" });
  expect(server.requests[0]!.body).toContain('name="image"; filename="image"');
  expect(server.requests[0]!.body).toContain("BYTES");
});

test.each([
  [403, "server_refused"],
  [404, "not_assay"],
  [413, "quota_too_small"],
  [422, "server_error"],
  [429, "quota_spent"],
  [500, "server_error"],
  [503, "server_not_ready"],
])("status %i is the failure %s", async (status, code) => {
  const server = await serve(() => ({ status, body: { detail: "Because." } }));
  await expect(new Api(server.url).check(["a"], {}).next()).rejects.toMatchObject({
    code,
    detail: "Because.",
  });
});

test("an upload that is refused as too large has too many bytes", async () => {
  const server = await serve(() => ({ status: 413, body: {} }));
  expect(await codeOf(new Api(server.url).upload(new Blob(["x"])).next())).toBe("too_large");
});

test.each([
  ["", "key_missing", "Send: Authorization: Bearer assay_…", ""],
  ["assay_k", "key_wrong", "This API key is not valid.", "This API key is not valid."],
])("with the key %j, 401 is %s, without the name of a header", async (key, code, said, detail) => {
  const server = await serve(() => ({ status: 401, body: { detail: said } }));
  const answer = new Api(server.url, key).check(["a"], {}).next();
  await expect(answer).rejects.toMatchObject({ code, detail });
});

test.each([
  ["17", 17],
  ["Wed, 15 Jul 2026 12:01:30 GMT", 90],
  ["Mon, 01 Jan 2001 00:00:00 GMT", 0],
  ["9999999999", 86_400],
  ["soon", undefined],
])("the server's Retry-After %j is %d seconds", async (value, seconds) => {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2026, 6, 15, 12) });
  onTestFinished(() => void vi.useRealTimers());
  const headers = { "Retry-After": value };
  const server = await serve(() => ({ status: 429, headers, body: {} }));
  const error = await new Api(server.url).check(["a"], {}).next().catch((thrown) => thrown);
  expect(error.retryAfter).toBe(seconds);
});

test("a server that is not there is unreachable", async () => {
  const server = await serve(() => ({ body: {} }));
  await server.close();
  expect(await codeOf(new Api(server.url).ready())).toBe("server_unreachable");
});

test("a page of some other server is not an answer of Assay", async () => {
  const server = await serve(() => ({ body: "<html>" }));
  expect(await codeOf(new Api(server.url).check(["a"], {}).next())).toBe("not_assay");
  expect(await codeOf(new Api(server.url).ready())).toBe("not_assay");
});

test("a server that is ready tells its model's version", async () => {
  const server = await serve(() => ({ body: { status: "ready", model_version: "m1" } }));
  const { version, milliseconds } = await new Api(server.url).ready();
  expect(version).toBe("m1");
  expect(milliseconds).toBeGreaterThanOrEqual(0);
});

test("a key goes with every request, and is told to be wrong by the connection test", async () => {
  const server = await serve(({ path }) => ({
    status: path.startsWith("/v1/") ? 401 : 200,
    body: { status: "ready" },
  }));
  expect(await codeOf(new Api(server.url, "assay_k").ready())).toBe("key_wrong");
  expect(new Set(server.requests.map(({ authorization }) => authorization))).toEqual(
    new Set(["Bearer assay_k"]),
  );
});
