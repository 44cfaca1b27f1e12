/** Writes tables as CSV (RFC 4180). */

/** What makes spreadsheets take a text for a formula (OWASP, "CSV Injection"). */
const FORMULA = /^[=+\-@\t\r\n]/;

/** Write rows as CSV that spreadsheets show as text. */
export function toCsv(rows: readonly (readonly string[])[]): string {
  // Without the mark at the start, Excel does not read it as UTF-8.
  return `\ufeff${rows.map((row) => `${row.map(quote).join(",")}\r\n`).join("")}`;
}

function quote(value: string): string {
  const text = FORMULA.test(value) ? `'${value}` : value;
  return `"${text.replaceAll('"', '""')}"`;
}
