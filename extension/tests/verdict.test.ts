import { expect, test } from "vitest";
import { readAnswer, stateOf } from "../lib/verdict";
import { doneItem, fact, failedItem, verdict } from "./examples";

const only = (item: unknown) => readAnswer({ id: "1", items: [item] })!.items[0]!;

test("a done item is judged, a failed one is unavailable, a pending one is neither yet", () => {
  const answer = readAnswer({
    id: "7",
    status: "pending",
    items: [
      doneItem("a"),
      failedItem("b", "timeout", "Too slow."),
      { url: "c", status: "pending" },
    ],
  })!;
  expect(answer.id).toBe("7");
  expect(answer.items.map(({ url }) => url)).toEqual(["a", "b", "c"]);
  expect(answer.items.map(({ outcome }) => stateOf(outcome))).toEqual([
    "ai",
    "unavailable",
    "checking",
  ]);
  expect(answer.items[1]!.outcome).toEqual({
    state: "unavailable",
    failure: { code: "timeout", detail: "Too slow." },
  });
});

test("fields that a newer server adds are ignored", () => {
  const { outcome } = only({ ...doneItem("a"), mood: "good" });
  expect(outcome).toEqual({
    state: "classified",
    verdict: { ...verdict(), expires_at: expect.any(String) },
  });
});

test("a label that we have no words for claims nothing: it is uncertain", () => {
  const { outcome } = only(doneItem("a", { label: "deepfake" as never }));
  expect(stateOf(outcome)).toBe("uncertain");
});

test.each([
  undefined,
  null,
  {},
  { probability: "0.9" },
  { probability: 1.2 },
  { probability: NaN },
])("a verdict without a probability is none: %j", (broken) => {
  const { outcome } = only({ url: "a", status: "done", verdict: broken });
  expect(outcome).toEqual({ state: "unavailable", failure: { code: "not_assay", detail: "" } });
});

test("members and evidence of unknown kinds are kept, and what is no number is dropped", () => {
  const { outcome } = only(
    doneItem("a", {
      members: { vit: 0.4, broken: "x" as never },
      evidence: [fact({ kind: "watermark", detail: "A mark.", trusted: "yes" as never })],
    }),
  );
  expect(outcome).toMatchObject({
    verdict: {
      members: { vit: 0.4 },
      evidence: [{ kind: "watermark", says: "ai", detail: "A mark.", trusted: false }],
    },
  });
});

test("what decided is known, and a decider that we have no words for is none", () => {
  const decidedBy = (decided_by: unknown) => {
    const { outcome } = only(doneItem("a", { decided_by: decided_by as never }));
    return outcome?.state === "classified" && outcome.verdict.decided_by;
  };
  expect(["credentials", "marks", "oracle", undefined].map(decidedBy)).toEqual([
    "credentials",
    "marks",
    "pixels",
    "pixels",
  ]);
});

test("similar images are kept if they have a probability", () => {
  const other = { label: "real", probability: 0.1, checked_at: "2026-11-22T15:30:00Z" };
  const similar = [{ ...other, distance: 3 }, { ...other, label: "odd" }, { label: "ai" }, null];
  const { outcome } = only(doneItem("a", { similar: similar as never }));
  expect(outcome).toMatchObject({ verdict: { similar: [other, { ...other, label: "uncertain" }] } });
  expect(only(doneItem("a", { similar: "none" as never })).outcome).toMatchObject({
    verdict: { similar: [] },
  });
});

test.each([undefined, null, "text", [], {}, { items: "no" }])("%j is no answer", (body) => {
  expect(readAnswer(body)).toBeUndefined();
});
