// Tables: headings that sort, and rows that become cards on a narrow screen.

import { h } from "./view.js";

const ARROWS = { none: "", ascending: "▲", descending: "▼" };

/**
 * A table.
 *
 * @param {object} spec
 * @param {string} spec.label For those who do not see it.
 * @param {Array<object>} spec.columns Each `{label, cell, sort, isNumber, isMain}`; false is none. `cell` shows a row,
 *     `sort` is the API's path for the column; `isMain` is the name of the row, the heading of its card.
 * @param {Array<object>} spec.rows
 * @param {function(object): string} spec.key Tells rows apart.
 * @param {object?} spec.order `{sort, isReverse, by}`: what it is sorted by, and a function that changes it.
 * @param {*} spec.empty What stands in place of no rows.
 */
export function table({ label, columns, rows, key, order, empty }) {
  const shown = columns.filter(Boolean);
  if (!rows.length) return h("div", { class: "empty", key: `${label} empty` }, empty);
  return h(
    "div",
    { class: "table-scroll", key: label },
    h(
      "table",
      { "aria-label": label },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          shown.map((column) => heading(column, order)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            { key: key(row) },
            shown.map((column) =>
              h(
                column.isMain ? "th" : "td",
                {
                  class: column.isNumber ? "number" : null,
                  scope: column.isMain ? "row" : null,
                  "data-label": column.label,
                },
                column.cell(row),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

function heading(column, order) {
  const className = column.isNumber ? "number" : null;
  const label = column.label || h("span", { class: "hidden" }, "Actions");
  if (!column.sort || !order) return h("th", { class: className, scope: "col" }, label);
  const isCurrent = order.sort === column.sort;
  const direction = !isCurrent ? "none" : order.isReverse ? "descending" : "ascending";
  return h(
    "th",
    { class: className, scope: "col", "aria-sort": direction },
    h(
      "button",
      { type: "button", class: "sort", onclick: () => order.by(column.sort) },
      column.label,
      h("span", { class: "arrow", "aria-hidden": "true" }, ARROWS[direction]),
    ),
  );
}
