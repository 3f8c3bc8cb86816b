// Who may have how much: limits of vhosts and of users.

import { get, path } from "../api.js";
import { ask } from "../dialog.js";
import { LIMITS, limitFields, limitText, putLimits } from "../limits.js";
import { note } from "../notes.js";
import { table } from "../table.js";
import { h } from "../view.js";

export function limits({ app }) {
  let vhosts = null;
  let users = [];

  async function load(signal) {
    const [ofVhosts, ofUsers, names] = await Promise.all([
      get("vhost-limits", {}, signal),
      get("user-limits", {}, signal),
      get("users", { columns: "name" }, signal),
    ]);
    const rows = (kind, all, set) =>
      all.map((name) => ({ kind, name, values: set.find((each) => each[kind] === name)?.value ?? {} }));
    vhosts = rows("vhost", app.vhosts, ofVhosts);
    users = rows(
      "user",
      names.map(({ name }) => name),
      ofUsers,
    );
  }

  async function change({ kind, name, values }) {
    const where = kind === "vhost" ? path`vhost-limits/${name}` : path`user-limits/${name}`;
    if (
      !(await ask({
        title: `Limits of ${name}`,
        action: "Change",
        body: limitFields(kind, values),
        submit: (data) => putLimits(where, kind, data),
      }))
    )
      return;
    note("The limits are changed.");
    app.refresh();
  }

  function section(kind, title, rows) {
    return h(
      "section",
      { class: "panel", key: kind },
      h("h2", {}, title),
      table({
        label: title,
        rows,
        key: (row) => row.name,
        columns: [
          { label: "Name", isMain: true, cell: (row) => row.name },
          ...LIMITS[kind].map(([name, label]) => ({
            label,
            isNumber: true,
            cell: ({ values }) => limitText(values[name]),
          })),
          {
            label: "",
            cell: (row) =>
              h(
                "button",
                {
                  type: "button",
                  class: "quiet",
                  onclick: () => change(row),
                  "aria-label": `Change the limits of ${row.name}`,
                },
                "Change",
              ),
          },
        ],
        empty: h("p", {}, "There is none."),
      }),
    );
  }

  return {
    title: "Limits",
    load,
    view: () => [section("vhost", "Virtual hosts", vhosts), section("user", "Users", users)],
    isLoaded: () => vhosts !== null,
  };
}
