// The table of results: a click on a heading sorts, and of a long table one part is shown at a time.
const table = document.querySelector("#images");
const nav = document.querySelector("#parts");
const parts = [...(table?.tBodies ?? [])];
const headings = table ? [...table.tHead.rows[0].cells] : [];
let shown = 0;

for (const [column, heading] of headings.entries()) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...heading.childNodes);
  button.addEventListener("click", () => sort(column, heading));
  heading.append(button);
}
if (nav) {
  nav.hidden = false;
  nav.querySelector("#previous").addEventListener("click", () => show(shown - 1));
  nav.querySelector("#next").addEventListener("click", () => show(shown + 1));
  show(0);
}

function sort(column, heading) {
  const turned = { ascending: "descending", descending: "ascending" };
  const order = turned[heading.ariaSort] ?? heading.dataset.first ?? "ascending";
  const sign = order === "ascending" ? 1 : -1;
  const isNumber = "number" in heading.dataset;
  const rows = parts.flatMap((part) => [...part.rows]);
  const keyed = rows.map((row) => {
    const cell = row.cells[column];
    const key = cell.dataset.key ?? cell.textContent;
    return [isNumber ? Number(key) : key, row];
  });
  keyed.sort(([a], [b]) => sign * (a < b ? -1 : Number(a > b)));
  const size = parts[0].rows.length;
  for (const [number, part] of parts.entries()) {
    part.replaceChildren(...keyed.slice(number * size, (number + 1) * size).map(([, row]) => row));
  }
  for (const each of headings) each.ariaSort = each === heading ? order : null;
  if (nav) show(0);
}

function show(number) {
  parts[shown].classList.remove("shown");
  parts[number].classList.add("shown");
  shown = number;
  const first = number * parts[0].rows.length;
  nav.querySelector("#range").textContent = `${first + 1} to ${first + parts[number].rows.length}`;
  nav.querySelector("#previous").disabled = number === 0;
  nav.querySelector("#next").disabled = number === parts.length - 1;
}
