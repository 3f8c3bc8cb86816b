// Lists of names and values.

import { argument } from "./format.js";
import { h } from "./view.js";

/** Pairs of a name and what stands beside it; those without a value are left out. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== false);
  return h(
    "dl",
    { class: "facts" },
    known.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  );
}

/** A table of arguments, or a dash. */
export function argumentList(table) {
  const entries = Object.entries(table ?? {});
  if (!entries.length) return null;
  return entries.map(([name, value]) => h("div", { key: name }, h("code", {}, `${name}: ${argument(value)}`)));
}

/** The head of an object's page: where it belongs, its name, and what can be done. */
export function head({ crumbs, title, badges, buttons }) {
  return h(
    "div",
    { class: "page-head", key: "head" },
    h(
      "div",
      {},
      h(
        "p",
        { class: "crumbs" },
        crumbs.map(([text, href], at) => [at ? " / " : "", href ? h("a", { href }, text) : text]),
      ),
      h("h1", {}, title),
      badges,
    ),
    h(
      "div",
      { class: "buttons" },
      buttons.map(
        (each) =>
          each && h("button", { type: "button", class: each.kind, onclick: each.act, disabled: each.isOff }, each.text),
      ),
    ),
  );
}
