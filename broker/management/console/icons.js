// The mark, and the few signs that stand beside words; never in place of them without a label.

import { h } from "./view.js";

/** PonyMQ's mark: a horseshoe, and the message it keeps. */
export const mark = () => h("img", { class: "mark", src: "icon.svg", alt: "", width: 32, height: 32 });

const PATHS = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-4H4zM14 8h6V4h-6z",
  queues: "M4 6h16M4 12h16M4 18h10",
  exchanges: "M4 8h13l-4-4M20 16H7l4 4",
  topology: "M5 12h4m0 0 6-6h4M9 12l6 6h4M3 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0",
  connections: "M9 7V3M15 7V3M6 7h12v4a6 6 0 0 1-12 0zM12 17v4",
  channels: "M3 7c6 0 12 10 18 10M3 17c6 0 12-10 18-10",
  consumers: "M12 4v10m-4-4 4 4 4-4M5 20h14",
  users: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-4 4-6 8-6s8 2 8 6",
  vhosts: "M4 5h16v6H4zM4 15h16v4H4zM8 8h.010M8 17h.010",
  policies: "M6 3h9l4 4v14H6zM9 12h6M9 16h6",
  limits: "M4 18a8 8 0 1 1 16 0M12 18l4-6",
  definitions: "M12 3v11m-4-4 4 4 4-4M4 17v4h16v-4",
  log: "M5 5h14M5 10h9M5 15h14M5 20h6",
  menu: "M4 6h16M4 12h16M4 18h16",
};

/** A line drawing of 24 by 24. */
export const icon = (name) =>
  h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: PATHS[name] }));
