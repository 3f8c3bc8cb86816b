// Virtual hosts: namespaces with queues, exchanges and rights of their own.

import { path, put, remove } from "../api.js";
import { ask, confirm } from "../dialog.js";
import { check, field } from "../forms.js";
import { short } from "../format.js";
import { Listing } from "../listing.js";
import { note } from "../notes.js";
import { prefer } from "../preferences.js";
import { go } from "../router.js";
import { h } from "../view.js";

const TYPES = [
  ["", "classic"],
  ["quorum", "quorum"],
  ["stream", "stream"],
];

export function vhosts({ app }) {
  const look = (row) => () => {
    prefer("vhost", row.name);
    go("#/queues");
  };
  const button = (text, act, kind = "quiet") => h("button", { type: "button", class: kind, onclick: act }, text);
  const listing = new Listing(app, {
    label: "Virtual hosts",
    noun: "vhost",
    source: "vhosts",
    key: (row) => row.name,
    columns: [
      {
        label: "Name",
        sort: "name",
        isMain: true,
        cell: (row) => h("a", { href: "#/queues", onclick: look(row) }, row.name),
      },
      { label: "Description", cell: (row) => row.description },
      { label: "Queues are", cell: (row) => row.default_queue_type },
      { label: "Ready", sort: "messages_ready", isNumber: true, cell: (row) => short(row.messages_ready) },
      {
        label: "Unacked",
        sort: "messages_unacknowledged",
        isNumber: true,
        cell: (row) => short(row.messages_unacknowledged),
      },
      {
        label: "",
        cell: (row) =>
          app.isAdministrator &&
          h(
            "span",
            { class: "buttons" },
            button("Change", () => change(app, row)),
            button("Delete", () => destroy(app, row), "quiet danger"),
          ),
      },
    ],
    empty: h("p", {}, "There is no virtual host that you may see."),
  });
  return listing.page("Virtual hosts", app.isAdministrator && { text: "Add a vhost", act: () => change(app) });
}

/** Ask for a new vhost, or for what is different in one that exists. */
async function change(app, row) {
  const isDone = await ask({
    title: row ? `Change ${row.name}` : "Add a vhost",
    action: row ? "Change" : "Add",
    body: [
      !row && field({ label: "Name", name: "name", isRequired: true, maxlength: 255 }),
      field({ label: "Description", name: "description", value: row?.description ?? "", maxlength: 255 }),
      field({
        label: "Queues whose type is not said are",
        name: "type",
        options: TYPES,
        value: row?.default_queue_type === "classic" ? "" : (row?.default_queue_type ?? ""),
      }),
      check({ label: "Protected from deletion", name: "protected", value: row?.protected_from_deletion ?? false }),
    ],
    submit: (data) =>
      put(path`vhosts/${row?.name ?? data.get("name")}`, {
        description: data.get("description"),
        tags: row?.tags ?? [],
        default_queue_type: data.get("type") || "classic",
        protected_from_deletion: Boolean(data.get("protected")),
      }),
  });
  if (!isDone) return;
  note(row ? "The vhost is changed." : "The vhost is there; let users into it on their pages.");
  await app.loadVhosts();
  app.refresh();
}

async function destroy(app, { name }) {
  const isDone = await confirm({
    title: `Delete ${name}`,
    text: "Everything in it goes: queues with their messages, exchanges, policies, permissions, connections.",
    action: "Delete",
    word: name,
    submit: () => remove(path`vhosts/${name}`),
  });
  if (!isDone) return;
  note("The vhost is deleted.");
  prefer("vhost", "");
  await app.loadVhosts();
  app.refresh();
}
