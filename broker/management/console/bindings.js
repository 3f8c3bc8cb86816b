// Bindings of one queue or exchange: the table, and making and deleting one.

import { path, post, remove } from "./api.js";
import { ask } from "./dialog.js";
import { argument } from "./format.js";
import { field, objectOf } from "./forms.js";
import { note } from "./notes.js";
import { to } from "./router.js";
import { table } from "./table.js";
import { h } from "./view.js";

/** A table of bindings as the API lists them. */
export function bindingTable(app, bindings, { label, empty }) {
  const unbind = ({ vhost, source, destination_type: [kind], destination, properties_key: key }) =>
    app.carryOut(
      () => remove(path`bindings/${vhost}/e/${source}/${kind}/${destination}/${key}`),
      "The binding is deleted.",
    );
  return table({
    label,
    rows: bindings,
    key: (row) => `${row.source} ${row.destination_type} ${row.destination} ${row.properties_key}`,
    columns: [
      {
        label: "From",
        isMain: true,
        cell: (row) =>
          row.source
            ? h("a", { href: to("exchanges", row.vhost, row.source) }, row.source)
            : h("span", { class: "muted" }, "default exchange"),
      },
      {
        label: "To",
        cell: (row) => h("a", { href: to(`${row.destination_type}s`, row.vhost, row.destination) }, row.destination),
      },
      { label: "Routing key", cell: (row) => (row.routing_key ? h("code", {}, row.routing_key) : "") },
      {
        label: "Arguments",
        cell: (row) =>
          Object.entries(row.arguments ?? {}).map(([name, value]) =>
            h("div", { key: name }, h("code", {}, `${name}: ${argument(value)}`)),
          ),
      },
      {
        label: "",
        cell: (row) =>
          row.source
            ? h(
                "button",
                {
                  type: "button",
                  class: "quiet danger",
                  onclick: () => unbind(row),
                  "aria-label": `Unbind ${row.source} from ${row.destination}`,
                },
                "Unbind",
              )
            : "",
      },
    ],
    empty,
  });
}

/** Ask for a binding between an exchange and a destination; what is given is not asked for. */
export async function bind(app, { vhost, source, destination, kind }) {
  const submit = async (data) => {
    const from = source ?? data.get("source");
    const target = destination ?? data.get("destination");
    const type = kind ?? data.get("kind");
    await post(path`bindings/${vhost}/e/${from}/${type[0]}/${target}`, {
      routing_key: data.get("routing_key"),
      arguments: objectOf(data.get("arguments"), "Arguments"),
    });
  };
  const isDone = await ask({
    title: source === undefined ? `Bind ${destination}` : `Bind from ${source}`,
    action: "Bind",
    body: [
      source === undefined && field({ label: "From exchange", name: "source", isRequired: true }),
      destination === undefined &&
        field({
          label: "To",
          name: "kind",
          options: [
            ["queue", "a queue"],
            ["exchange", "an exchange"],
          ],
          value: "queue",
        }),
      destination === undefined && field({ label: "Name", name: "destination", isRequired: true }),
      field({
        label: "Routing key",
        name: "routing_key",
        hint: "For a topic exchange, * stands for one word and # for any number of them.",
      }),
      field({
        label: "Arguments",
        name: "arguments",
        rows: 2,
        hint: 'JSON; for a headers exchange, such as {"x-match": "all", "kind": "invoice"}.',
      }),
    ],
    submit,
  });
  if (!isDone) return;
  note("The binding is there.");
  app.refresh();
}
