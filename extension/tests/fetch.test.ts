// @vitest-environment node
import { beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing";
import { fetchImage } from "../lib/worker/fetch";
import { serve } from "./server";

const contains = vi.fn();
const request = vi.fn();

beforeEach(() => {
  vi.resetAllMocks();
  Object.assign(fakeBrowser.permissions, { contains, request });
});

test("an image of a site that Assay may read is read", async () => {
  const server = await serve(() => ({ body: "BYTES" }));
  contains.mockResolvedValue(true);
  const image = await fetchImage(`${server.url}/a.png`, false);
  expect(await image.text()).toBe("BYTES");
  expect(contains).toHaveBeenCalledWith({ origins: ["http://127.0.0.1/*"] });
  expect(request).not.toHaveBeenCalled();
});

test("without access nothing is read, and the user is not bothered unasked", async () => {
  const server = await serve(() => ({ body: "BYTES" }));
  contains.mockResolvedValue(false);
  await expect(fetchImage(server.url, false)).rejects.toMatchObject({ code: "access_needed" });
  expect(request).not.toHaveBeenCalled();
  expect(server.requests).toHaveLength(0);
});

test("after a click the user is asked first of all, and may refuse", async () => {
  request.mockResolvedValue(false);
  await expect(fetchImage("https://x.example/a.png", true)).rejects.toMatchObject({
    code: "access_needed",
  });
  expect(contains).not.toHaveBeenCalled();
});

test("a site that refuses this browser too leaves the image unreadable", async () => {
  const server = await serve(() => ({ status: 403, body: {} }));
  contains.mockResolvedValue(true);
  await expect(fetchImage(server.url, false)).rejects.toMatchObject({ code: "unreadable" });
});
