// The numbers of the moment, in large letters at the head of a page.

import { h } from "./view.js";

/** Tiles of a label, a value and, as far as there are, what it counts and the page that has more. */
export function tiles(numbers) {
  return h(
    "div",
    { class: "tiles", key: "tiles" },
    numbers.map(([label, value, unit, href]) =>
      h(
        href ? "a" : "div",
        { class: "tile", href, key: label },
        h("span", { class: "label" }, label),
        h("strong", {}, value),
        unit && h("span", { class: "unit" }, unit),
      ),
    ),
  );
}
