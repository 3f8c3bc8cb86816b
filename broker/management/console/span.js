// How far back charts look.

import { SPANS } from "./history.js";
import { prefer, preference } from "./preferences.js";
import { h } from "./view.js";

/** The choice, which holds for every chart of the console. */
export function spanChoice(app) {
  const choose = (event) => {
    prefer("span", event.target.value);
    app.refresh();
  };
  return h(
    "select",
    { class: "span", "aria-label": "Time span of the charts", onchange: choose },
    SPANS.map(([value, text]) => h("option", { value, selected: value === preference("span") }, text)),
  );
}
