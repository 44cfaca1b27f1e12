/** Makes elements. Text becomes text nodes and attributes, never HTML. */

const SVG = "http://www.w3.org/2000/svg";

export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The mark of a state, which the text beside it explains. */
export function mark(state) {
  const use = fill(document.createElementNS(SVG, "use"), { href: `/web/marks.svg#${state}` });
  return fill(document.createElementNS(SVG, "svg"), { class: "mark", "aria-hidden": "true" }, [use]);
}

/** A probability as a bar. The number is in the text beside it. */
export function bar(probability) {
  const level = fill(document.createElementNS(SVG, "rect"), { width: 100 * probability, height: 1 });
  return fill(
    document.createElementNS(SVG, "svg"),
    { class: "bar", viewBox: "0 0 100 1", preserveAspectRatio: "none", "aria-hidden": "true" },
    [level],
  );
}

function fill(element, attributes, children = []) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
