// Making, emptying and deleting queues, after asking.

import { path, post, put, remove } from "./api.js";
import { ask, confirm } from "./dialog.js";
import { count } from "./format.js";
import { check, field, objectOf } from "./forms.js";
import { note } from "./notes.js";
import { preference } from "./preferences.js";
import { go, to } from "./router.js";
import { h } from "./view.js";

const TYPES = [
  ["", "as the vhost says"],
  ["classic", "classic"],
  ["quorum", "quorum: delivery limits, poison messages"],
  ["stream", "stream: read again and again"],
];
const OVERFLOWS = [
  ["", "drops the oldest (default)"],
  ["drop-head", "drops the oldest"],
  ["reject-publish", "refuses new ones"],
  ["reject-publish-dlx", "dead-letters new ones"],
];
const NUMBERS = ["x-message-ttl", "x-expires", "x-max-length", "x-max-length-bytes", "x-max-priority"];
const TEXTS = ["x-queue-type", "x-overflow", "x-dead-letter-exchange", "x-dead-letter-routing-key"];

/** Ask for a queue and declare it. */
export async function declareQueue(app) {
  let address = null;
  const submit = async (data) => {
    const [vhost, name] = [data.get("vhost"), data.get("name")];
    const given = objectOf(data.get("arguments"), "Further arguments");
    for (const key of NUMBERS) if (data.get(key)) given[key] = Number(data.get(key));
    for (const key of TEXTS) if (data.get(key)) given[key] = data.get(key);
    if (data.get("x-single-active-consumer")) given["x-single-active-consumer"] = true;
    await put(path`queues/${vhost}/${name}`, {
      durable: Boolean(data.get("durable")),
      auto_delete: Boolean(data.get("auto_delete")),
      arguments: given,
    });
    address = to("queues", vhost, name);
  };
  const number = (label, name, hint) => field({ label, name, type: "number", min: 0, hint });
  const isDone = await ask({
    title: "Add a queue",
    action: "Add",
    body: [
      h(
        "div",
        { class: "pair" },
        field({ label: "Name", name: "name", isRequired: true, maxlength: 255 }),
        vhostField(app),
      ),
      field({ label: "Type", name: "x-queue-type", options: TYPES }),
      check({ label: "Durable", name: "durable", value: true, hint: "Is there again after a restart." }),
      check({ label: "Auto-delete", name: "auto_delete", hint: "Is deleted when its last consumer goes." }),
      h(
        "details",
        {},
        h("summary", {}, "Limits, expiry and dead letters"),
        h(
          "div",
          { class: "fields" },
          h(
            "div",
            { class: "pair" },
            number("Message TTL (ms)", "x-message-ttl"),
            number("Queue expires (ms)", "x-expires", "Unused for so long, it is deleted."),
          ),
          h(
            "div",
            { class: "pair" },
            number("Most messages", "x-max-length"),
            number("Most octets", "x-max-length-bytes"),
          ),
          field({ label: "A full queue", name: "x-overflow", options: OVERFLOWS }),
          h(
            "div",
            { class: "pair" },
            field({ label: "Dead-letter exchange", name: "x-dead-letter-exchange" }),
            field({ label: "Dead-letter routing key", name: "x-dead-letter-routing-key" }),
          ),
          number("Highest priority", "x-max-priority", "1 to 255; 5 is plenty."),
          check({ label: "Single active consumer", name: "x-single-active-consumer" }),
          field({
            label: "Further arguments",
            name: "arguments",
            rows: 2,
            hint: 'JSON, such as {"x-delivery-limit": 20}.',
          }),
        ),
      ),
    ],
    submit,
  });
  if (!isDone) return;
  note("The queue is there.");
  go(address);
}

/** A choice among the vhosts. */
export function vhostField(app) {
  return field({
    label: "Vhost",
    name: "vhost",
    options: app.vhosts.map((name) => [name, name]),
    value: preference("vhost") || "/",
  });
}

/** Ask, and delete every message that is ready. */
export async function purge(app, { vhost, name, ready }) {
  const isDone = await confirm({
    title: `Purge ${name}`,
    text: `${count(ready, "ready message")} will be deleted, past any dead-letter exchange and for good.`,
    action: "Purge",
    word: name,
    submit: () => remove(path`queues/${vhost}/${name}/contents`),
  });
  if (!isDone) return;
  note("The queue is empty.");
  app.refresh();
}

/** Ask where to, and move messages to another queue of the vhost. */
export async function move(app, { vhost, name, ready }) {
  let moved = 0;
  const isDone = await ask({
    title: `Move messages of ${name}`,
    action: "Move",
    body: [
      h("p", {}, `${count(ready, "ready message")}, the oldest first. Each leaves this queue as it enters the other.`),
      field({ label: "To the queue", name: "destination", isRequired: true, maxlength: 255 }),
      field({ label: "How many", name: "count", type: "number", min: 1, hint: "Empty for all that are ready." }),
    ],
    submit: async (data) => {
      const given = { destination: data.get("destination") };
      if (data.get("count")) given.count = Number(data.get("count"));
      const answer = await post(path`ponymq/queues/${vhost}/${name}/move`, given);
      moved = answer.moved;
    },
  });
  if (!isDone) return;
  note(`${count(moved, "message")} moved.`);
  app.refresh();
}

/** Ask, and delete the queue. */
export async function deleteQueue(app, { vhost, name, messages, consumers }) {
  const isDone = await confirm({
    title: `Delete ${name}`,
    text: `Its bindings and ${count(messages, "message")} go, too; ${count(consumers, "consumer")} will be cancelled.`,
    action: "Delete",
    word: name,
    submit: () => remove(path`queues/${vhost}/${name}`),
  });
  if (!isDone) return;
  note("The queue is deleted.");
  go("#/queues");
}
