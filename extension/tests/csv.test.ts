import { expect, test } from "vitest";
import { toCsv } from "../lib/csv";

test("rows are lines of quoted values, and Excel is told that they are UTF-8", () => {
  expect(toCsv([["a", 'say "b"'], ["c,d", "e\nf"]])).toBe(
    '\ufeff"a","say ""b"""\r\n"c,d","e\nf"\r\n',
  );
});

test.each(["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])(
  "a spreadsheet does not take %j for a formula",
  (value) => {
    expect(toCsv([[value]])).toBe(`\ufeff"'${value}"\r\n`);
  },
);
