// Words in a box beside a name.

import { h } from "./view.js";

/** Badges of a word and what it means, if that is to be told; those that do not hold, null or false, are left out. */
export function badges(marks) {
  const known = marks.filter(Boolean);
  return (
    known.length > 0 &&
    h(
      "span",
      { class: "badges" },
      known.map(([text, title]) => h("span", { class: "badge", title, key: title ?? text }, text)),
    )
  );
}
