// The tail of the broker's log.

import { get } from "../api.js";
import { clock, count, moment } from "../format.js";
import { h } from "../view.js";

const MOST = 1_000;
const LEVELS = ["debug", "info", "warn", "error", "fatal"];
const KINDS = { warn: "warn", error: "bad", fatal: "bad" };
const COMMON = new Set(["time", "level", "logger", "event", "traceback"]);

export function log({ app }) {
  let lines = null;
  let last = 0;
  let filter = "";
  let least = 0;

  async function load(signal) {
    const answer = await get("ponymq/log", { after: last }, signal);
    const isAnew = answer.last < last; // the broker was started anew, and counts from 1 again
    const first = answer.last - answer.lines.length + 1;
    const fresh = answer.lines.map((line, at) => ({ number: first + at, ...line }));
    lines = [...(isAnew ? [] : (lines ?? [])), ...fresh].slice(-MOST);
    last = answer.last;
  }

  const fields = (line) => Object.entries(line).filter(([name]) => !COMMON.has(name) && name !== "number");

  function view() {
    const isWanted = (line) =>
      LEVELS.indexOf(line.level) >= least && (!filter || JSON.stringify(line).toLowerCase().includes(filter));
    const shown = lines.filter(isWanted).reverse();
    const typed = (event) => {
      filter = event.target.value.toLowerCase();
      app.draw();
    };
    const chosen = (event) => {
      least = Number(event.target.value);
      app.draw();
    };
    return [
      h(
        "div",
        { class: "list-bar", key: "bar" },
        h(
          "label",
          { class: "search" },
          h("span", { class: "hidden" }, "Filter"),
          h("input", { type: "search", placeholder: "Filter by any word", oninput: typed }),
        ),
        h(
          "select",
          { "aria-label": "Least level", onchange: chosen },
          LEVELS.slice(0, 4).map((level, at) =>
            h("option", { value: at, selected: at === least }, at ? `${level} and worse` : "all levels"),
          ),
        ),
        h("span", { class: "muted total", role: "status" }, `${count(shown.length, "line")}, newest first`),
      ),
      shown.length
        ? h(
            "ol",
            { class: "log panel", key: "lines" },
            shown.map((line) =>
              h(
                "li",
                { key: line.number },
                h("time", { datetime: line.time, title: moment(Date.parse(line.time)) }, clock(Date.parse(line.time))),
                h("span", { class: `badge ${KINDS[line.level] ?? ""}` }, line.level),
                h(
                  "span",
                  { class: "event" },
                  h("b", {}, line.event),
                  fields(line).map(([name, value]) =>
                    h("span", { key: name }, " ", h("span", { class: "muted" }, `${name}=`), String(value)),
                  ),
                ),
                line.traceback && h("pre", {}, line.traceback),
              ),
            ),
          )
        : h("div", { class: "empty", key: "none" }, h("p", {}, "No line is like that.")),
    ];
  }

  return { title: "Log", load, view, isLoaded: () => lines !== null };
}
