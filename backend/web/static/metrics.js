/** Reads the text format of Prometheus. */

const SAMPLE = /^(\w+)(?:\{(.*)\})? (\S+)$/;

/** The samples of a text: their name, labels and value. */
export function samples(text) {
  return text
    .split("\n")
    .map((line) => SAMPLE.exec(line))
    .filter(Boolean)
    .map(([, name, labels = "", value]) => ({
      name,
      labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, k, v]) => [k, v])),
      value: Number(value),
    }));
}

/** The sum of a metric's samples with these labels. */
export function total(all, name, labels = {}) {
  const wanted = Object.entries(labels);
  return all
    .filter((each) => each.name === name && wanted.every(([k, v]) => each.labels[k] === v))
    .reduce((sum, { value }) => sum + value, 0);
}
