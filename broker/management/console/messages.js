// Messages by hand: publishing one, and fetching some to look at.

import { path, post } from "./api.js";
import { ask } from "./dialog.js";
import { bytes, count } from "./format.js";
import { check, field, objectOf } from "./forms.js";
import { note } from "./notes.js";
import { h } from "./view.js";

/** Ask for a message and publish it; a queue is reached through the default exchange. */
export async function publish(app, { vhost, exchange, queue }) {
  let isRouted = null;
  const submit = async (data) => {
    const properties = {
      ...objectOf(data.get("properties"), "Properties"),
      delivery_mode: data.get("persistent") ? 2 : 1,
    };
    const headers = objectOf(data.get("headers"), "Headers");
    if (Object.keys(headers).length) properties.headers = headers;
    const message = {
      routing_key: queue ?? data.get("routing_key"),
      properties,
      payload: data.get("payload"),
      payload_encoding: data.get("base64") ? "base64" : "string",
    };
    isRouted = (await post(path`exchanges/${vhost}/${exchange}/publish`, message)).routed;
  };
  const isDone = await ask({
    title: queue === undefined ? `Publish to ${exchange}` : `Publish to ${queue}`,
    action: "Publish",
    body: [
      queue === undefined && field({ label: "Routing key", name: "routing_key" }),
      field({ label: "Payload", name: "payload", rows: 6 }),
      check({
        label: "Persistent",
        name: "persistent",
        value: true,
        hint: "In a durable queue it survives a restart.",
      }),
      check({ label: "The payload is base64", name: "base64", hint: "For octets that are not text." }),
      h(
        "details",
        {},
        h("summary", {}, "Headers and properties"),
        h(
          "div",
          { class: "fields" },
          field({ label: "Headers", name: "headers", rows: 3, hint: 'JSON, such as {"attempt": 1}.' }),
          field({
            label: "Properties",
            name: "properties",
            rows: 3,
            hint: 'JSON, such as {"content_type": "application/json", "priority": 5}.',
          }),
        ),
      ),
    ],
    submit,
  });
  if (!isDone) return;
  if (isRouted) note("The message is published.");
  else note("The message was routed nowhere: no binding matches.", "bad");
  app.refresh();
}

const MODES = [
  ["ack_requeue_true", "Look at them and put them back"],
  ["ack_requeue_false", "Take them out of the queue"],
  ["reject_requeue_false", "Reject them: to the dead-letter exchange, if there is one"],
];

/** Ask how many messages to fetch; resolves to them, or to null. */
export async function fetchMessages(app, { vhost, name }) {
  let messages = null;
  const submit = async (data) => {
    const asked = {
      count: Number(data.get("count")),
      ackmode: data.get("ackmode"),
      encoding: "auto",
      truncate: 50_000,
    };
    messages = await post(path`queues/${vhost}/${name}/get`, asked);
  };
  await ask({
    title: `Get messages from ${name}`,
    action: "Get",
    body: [
      field({ label: "How many", name: "count", type: "number", value: 5, min: 1, max: 500, isRequired: true }),
      field({
        label: "And then",
        name: "ackmode",
        options: MODES,
        value: "ack_requeue_true",
        hint: "Messages that are put back are marked as redelivered.",
      }),
    ],
    submit,
  });
  if (messages) app.refresh();
  return messages;
}

/** Fetched messages to read. */
export function messageList(messages, clear) {
  return h(
    "section",
    { class: "panel", key: "messages" },
    h(
      "div",
      { class: "section-head" },
      h("h2", {}, count(messages.length, "message")),
      h("button", { type: "button", onclick: clear }, "Clear"),
    ),
    messages.length === 0 && h("p", { class: "muted" }, "The queue has no message that is ready."),
    h(
      "ol",
      { class: "messages" },
      messages.map((message, at) =>
        h(
          "li",
          { key: at },
          h(
            "p",
            { class: "muted" },
            message.exchange ? ["exchange ", h("b", {}, message.exchange), ", "] : null,
            "routing key ",
            h("b", {}, message.routing_key || "(none)"),
            ` · ${bytes(message.payload_bytes)}`,
            message.redelivered ? " · redelivered" : "",
            message.payload_encoding === "base64" ? " · base64" : "",
          ),
          h("pre", {}, message.payload),
          Object.keys(message.properties ?? {}).length > 0 &&
            h("details", {}, h("summary", {}, "Properties"), h("pre", {}, JSON.stringify(message.properties, null, 2))),
        ),
      ),
    ),
  );
}
