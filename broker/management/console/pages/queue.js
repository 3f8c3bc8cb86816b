// One queue or stream: how it is doing, why, and what one can do about it.

import { get, getIfAny, path } from "../api.js";
import { pictureOf, queueId } from "../binding_graph.js";
import { bind, bindingTable } from "../bindings.js";
import { consumerTable } from "../consumer_table.js";
import { argumentList, facts, head } from "../facts.js";
import { ago, bytes, count, short, whole } from "../format.js";
import { graph } from "../graph.js";
import { sampleQuery } from "../history.js";
import { messageRates, queuedMessages } from "../message_charts.js";
import { fetchMessages, messageList, publish } from "../messages.js";
import { preference } from "../preferences.js";
import { deleteQueue, move, purge } from "../queue_actions.js";
import { to } from "../router.js";
import { nowAndBefore } from "../span.js";
import { tiles } from "../tiles.js";
import { h } from "../view.js";
import { reasons, stateBadge } from "../why.js";
import { features } from "./queues.js";

const COUNTERS = [
  ["Published", "publish"],
  ["Delivered", "deliver_get"],
  ["Acknowledged", "ack"],
  ["Redelivered", "redeliver"],
];

export function queue({ app, vhost, name }) {
  let row = null;
  let bindings = null;
  let messages = null;

  async function load(signal) {
    const asked = sampleQuery(preference("span"), "msg_rates", "lengths");
    [row, bindings] = await Promise.all([
      get(path`queues/${vhost}/${name}`, asked, signal),
      getIfAny(path`queues/${vhost}/${name}/bindings`, {}, signal),
    ]);
  }

  async function look() {
    messages = (await fetchMessages(app, { vhost, name })) ?? messages;
    app.draw();
  }

  function clear() {
    messages = null;
    app.draw();
  }

  function buttons() {
    return [
      { text: "Publish", act: () => publish(app, { vhost, exchange: "amq.default", queue: name }) },
      row.type !== "stream" && { text: "Get messages", act: look },
      { text: "Bind", act: () => bind(app, { vhost, destination: name, kind: "queue" }) },
      row.type !== "stream" && {
        text: "Move",
        act: () => move(app, { vhost, name, ready: row.messages_ready }),
      },
      row.type !== "stream" && {
        text: "Purge",
        kind: "danger",
        act: () => purge(app, { vhost, name, ready: row.messages_ready }),
      },
      { text: "Delete", kind: "danger", act: () => deleteQueue(app, row) },
    ];
  }

  function view() {
    const key = `queue ${vhost} ${name}`;
    return [
      head({
        crumbs: [
          ["Queues", "#/queues"],
          [`vhost ${vhost}`, null],
        ],
        title: name,
        badges: h("p", { class: "badges" }, stateBadge(row), features(row)),
        buttons: buttons(),
      }),
      row.ponymq_why?.reasons?.length > 0 &&
        h(
          "section",
          { class: "panel why", key: "why" },
          h("h2", {}, headline(row.ponymq_why.state)),
          reasons(row.ponymq_why),
        ),
      numbers(row),
      messages && messageList(messages, clear),
      nowAndBefore(app),
      h("div", { class: "charts" }, messageRates(key, row.message_stats, COUNTERS), queuedMessages(key, row)),
      consumers(row),
      bindings && bound(bindings),
      details(row),
    ];
  }

  function bound(list) {
    const drawn = list.filter(({ source }) => source);
    return h(
      "section",
      { class: "panel", key: "bindings" },
      h("h2", {}, "Bindings"),
      drawn.length > 0 &&
        graph({
          label: `What is bound to ${name}`,
          ...pictureOf(drawn, { vhost, queues: [row] }),
          focus: queueId(name),
        }),
      bindingTable(app, list, {
        label: "Bindings",
        empty: h("p", {}, "Nothing is bound to this queue. The default exchange reaches it by its name."),
      }),
    );
  }

  return { title: name, hasHead: true, load, view, isLoaded: () => row !== null };
}

const headline = (state) =>
  ({ blocked: "Why it takes nothing", growing: "Why it grows", draining: "Why it shrinks", idle: "Why it is idle" })[
    state
  ] ?? "How it is doing";

function numbers(row) {
  const stats = row.message_stats ?? {};
  return tiles([
    ["Ready", short(row.messages_ready), "messages"],
    ["Unacked", short(row.messages_unacknowledged), "messages"],
    ["In", short(stats.publish_details?.rate), "per second"],
    ["Out", short(stats.deliver_get_details?.rate), "per second"],
    ["Acks", short(stats.ack_details?.rate), "per second"],
    ["Consumers", whole(row.consumers)],
    ["Size", bytes(row.message_bytes), "of bodies"],
  ]);
}

function consumers(row) {
  if (!row.consumer_details) return null;
  const empty = h("p", {}, "Nobody consumes from this queue: messages wait, or expire.");
  return h(
    "section",
    { class: "panel", key: "consumers" },
    h("h2", {}, count(row.consumer_details.length, "consumer")),
    consumerTable(row.consumer_details, { hasQueue: false, empty }),
  );
}

function details(row) {
  const owner = row.owner_pid_details?.name;
  return h(
    "section",
    { class: "panel", key: "details" },
    h("h2", {}, "Details"),
    facts([
      ["Type", row.type],
      ["Last activity", ago(row.idle_since)],
      ["Arguments", argumentList(row.arguments)],
      ["Policy", row.policy && h("a", { href: "#/policies" }, row.policy)],
      ["Operator policy", row.operator_policy],
      ["In force by policy", argumentList(row.effective_policy_definition)],
      ["Belongs to", owner && h("a", { href: to("connections", owner) }, owner)],
      ["Active consumer", row.single_active_consumer_tag],
      ["Published in all", whole(row.message_stats?.publish)],
      ["Delivered in all", whole(row.message_stats?.deliver_get)],
    ]),
  );
}
