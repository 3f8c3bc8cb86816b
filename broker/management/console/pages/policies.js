// Policies: arguments by pattern, for queues and exchanges that exist and those to come.

import { getIfAny, path, put, remove } from "../api.js";
import { ask, confirm } from "../dialog.js";
import { argumentList } from "../facts.js";
import { field, objectOf } from "../forms.js";
import { note } from "../notes.js";
import { preference } from "../preferences.js";
import { vhostField } from "../queue_actions.js";
import { table } from "../table.js";
import { h } from "../view.js";

const KINDS = {
  policies: {
    title: "Policies",
    add: "Add a policy",
    empty: "There is no policy. One can limit, expire or dead-letter messages of every queue whose name matches.",
  },
  "operator-policies": {
    title: "Operator policies",
    add: "Add an operator policy",
    empty: "There is no operator policy. They set bounds that no user can go beyond.",
  },
};
const APPLY_TO = [
  ["queues", "queues"],
  ["classic_queues", "classic queues"],
  ["quorum_queues", "quorum queues"],
  ["streams", "streams"],
  ["exchanges", "exchanges"],
  ["all", "queues and exchanges"],
];

export function policies({ app }) {
  const listed = { policies: null, "operator-policies": null };

  async function load(signal) {
    const vhost = preference("vhost");
    for (const kind of Object.keys(KINDS))
      listed[kind] = (await getIfAny(vhost ? `${kind}/${encodeURIComponent(vhost)}` : kind, {}, signal)) ?? [];
  }

  async function change(kind, row) {
    const submit = (data) =>
      put(`${kind}/${path`${row?.vhost ?? data.get("vhost")}/${row?.name ?? data.get("name")}`}`, {
        pattern: data.get("pattern"),
        definition: objectOf(data.get("definition"), "Definition"),
        priority: Number(data.get("priority")),
        "apply-to": data.get("apply-to"),
      });
    const isDone = await ask({
      title: row ? `Change ${row.name}` : KINDS[kind].add,
      action: row ? "Change" : "Add",
      body: [
        !row && h("div", { class: "pair" }, field({ label: "Name", name: "name", isRequired: true }), vhostField(app)),
        field({
          label: "Pattern",
          name: "pattern",
          value: row?.pattern ?? "",
          isRequired: true,
          hint: "A regular expression that names match: ^orders\\. for all that begin so.",
        }),
        field({ label: "Applies to", name: "apply-to", options: APPLY_TO, value: row?.["apply-to"] ?? "queues" }),
        field({
          label: "Priority",
          name: "priority",
          type: "number",
          value: row?.priority ?? 0,
          hint: "Where several match, the highest one holds.",
        }),
        field({
          label: "Definition",
          name: "definition",
          rows: 5,
          value: JSON.stringify(row?.definition ?? { "max-length": 100_000 }, null, 2),
          hint: "JSON with message-ttl, expires, max-length, overflow, dead-letter-exchange, delivery-limit …",
        }),
      ],
      submit,
    });
    if (!isDone) return;
    note("The policy is in force.");
    app.refresh();
  }

  async function destroy(kind, { vhost, name }) {
    const isDone = await confirm({
      title: `Delete ${name}`,
      text: "Queues and exchanges that it applied to follow the next policy that matches, or none.",
      action: "Delete",
      submit: () => remove(`${kind}/${path`${vhost}/${name}`}`),
    });
    if (!isDone) return;
    note("The policy is deleted.");
    app.refresh();
  }

  function section(kind) {
    const mayChange = kind === "policies" ? app.isPolicymaker : app.isAdministrator;
    const { title, add, empty } = KINDS[kind];
    const button = (text, act, className = "quiet") =>
      h("button", { type: "button", class: className, onclick: act }, text);
    return h(
      "section",
      { class: "panel", key: kind },
      h(
        "div",
        { class: "section-head" },
        h("h2", {}, title),
        mayChange && h("button", { type: "button", onclick: () => change(kind) }, add),
      ),
      table({
        label: title,
        rows: listed[kind],
        key: (row) => `${row.vhost} ${row.name}`,
        columns: [
          { label: "Name", isMain: true, cell: (row) => row.name },
          { label: "Vhost", cell: (row) => row.vhost },
          { label: "Pattern", cell: (row) => h("code", {}, row.pattern) },
          { label: "Applies to", cell: (row) => row["apply-to"] },
          { label: "Definition", cell: (row) => h("span", {}, argumentList(row.definition)) },
          { label: "Priority", isNumber: true, cell: (row) => row.priority },
          {
            label: "",
            cell: (row) =>
              mayChange &&
              h(
                "span",
                { class: "buttons" },
                button("Change", () => change(kind, row)),
                button("Delete", () => destroy(kind, row), "quiet danger"),
              ),
          },
        ],
        empty: h("p", {}, empty),
      }),
    );
  }

  return {
    title: "Policies",
    load,
    view: () => Object.keys(KINDS).map(section),
    isLoaded: () => listed.policies !== null,
  };
}
