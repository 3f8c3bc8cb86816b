// How far back charts look.

import { SPANS } from "./history.js";
import { prefer, preference } from "./preferences.js";
import { h } from "./view.js";

/** The heading of charts, with the choice, which holds for every chart of the console. */
export function nowAndBefore(app) {
  const choose = (event) => {
    prefer("span", event.target.value);
    app.refresh();
  };
  return h(
    "div",
    { class: "section-head", key: "rates" },
    h("h2", {}, "Now and before"),
    h(
      "select",
      { class: "span", "aria-label": "Time span of the charts", onchange: choose },
      SPANS.map(([value, text]) => h("option", { value, selected: value === preference("span") }, text)),
    ),
  );
}
