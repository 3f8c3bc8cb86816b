// The whole broker at a glance.

import { get, getIfAny } from "../api.js";
import { chart } from "../chart.js";
import { bytes, count, duration, rate, short, whole } from "../format.js";
import { rates, sampleQuery, spanSeconds } from "../history.js";
import { messageRates, queuedMessages } from "../message_charts.js";
import { preference } from "../preferences.js";
import { to } from "../router.js";
import { nowAndBefore } from "../span.js";
import { tiles } from "../tiles.js";
import { h } from "../view.js";
import { reasons, stateBadge } from "../why.js";

const BUSIEST = 5;
const COUNTERS = [
  ["Published", "publish"],
  ["Delivered", "deliver_get"],
  ["Acknowledged", "ack"],
  ["Confirmed", "confirm"],
  ["Redelivered", "redeliver"],
  ["Unroutable", "drop_unroutable"],
];

export function overview({ app }) {
  let facts = null;
  let nodes = null;
  let fullest = [];

  async function load(signal) {
    const asked = sampleQuery(preference("span"), "msg_rates", "lengths");
    const list = {
      page: 1,
      page_size: BUSIEST,
      sort: "messages",
      sort_reverse: true,
      columns: "name,vhost,messages,consumers,ponymq_why",
    };
    [facts, nodes, fullest] = await Promise.all([
      get("overview", asked, signal),
      app.isMonitor ? getIfAny("nodes", {}, signal) : null,
      get("queues", list, signal).then(({ items }) => items.filter(({ messages }) => messages > 0)),
    ]);
  }

  function view() {
    const churn = (label, name) => ({ label, points: rates("overview churn", facts.churn_rates, name) });
    return [
      alarms(nodes),
      numbers(facts),
      nowAndBefore(app),
      h(
        "div",
        { class: "charts" },
        messageRates("overview", facts.message_stats, COUNTERS),
        queuedMessages("overview", facts.queue_totals),
        chart({
          title: "Churn",
          unit: rate,
          span: spanSeconds(preference("span")),
          series: [
            churn("Connections opened", "connection_created"),
            churn("Connections closed", "connection_closed"),
            churn("Channels opened", "channel_created"),
            churn("Queues created", "queue_created"),
            churn("Queues deleted", "queue_deleted"),
          ],
        }),
        nodes?.map((node) => health(node)),
      ),
      h("h2", {}, "Fullest queues"),
      fullest.length
        ? h("ul", { class: "cards" }, fullest.map(card))
        : h("div", { class: "empty" }, h("p", {}, "Every queue is empty: consumers keep up, or nothing is published.")),
      about(facts),
    ];
  }

  return { title: "Overview", load, view, isLoaded: () => facts !== null };
}

function numbers({ message_stats: stats, queue_totals: queued, object_totals: objects }) {
  const [ready, unacked] = ["messages_ready", "messages_unacknowledged"];
  return tiles([
    ["Published", short(stats.publish_details.rate), "per second"],
    ["Delivered", short(stats.deliver_get_details.rate), "per second"],
    ["Ready", short(queued[ready]), "messages", `#/queues?sort=${ready}&reverse=true`],
    ["Unacked", short(queued[unacked]), "messages", `#/queues?sort=${unacked}&reverse=true`],
    ["Connections", whole(objects.connections), null, "#/connections"],
    ["Channels", whole(objects.channels), null, "#/channels"],
    ["Consumers", whole(objects.consumers), null, "#/consumers"],
    ["Queues", whole(objects.queues), null, "#/queues"],
    ["Exchanges", whole(objects.exchanges), null, "#/exchanges"],
  ]);
}

function alarms(nodes) {
  const ringing = (nodes ?? []).flatMap((node) => [
    node.mem_alarm && [
      `${node.name} uses more memory than it may (${bytes(node.mem_used)} of ${bytes(node.mem_limit)})`,
      "mem",
    ],
    node.disk_free_alarm && [
      `${node.name} has too little disk left (${bytes(node.disk_free)}; ${bytes(node.disk_free_limit)} must be free)`,
      "disk",
    ],
  ]);
  return ringing
    .filter(Boolean)
    .map(([text, key]) =>
      h(
        "p",
        { class: "banner bad", role: "alert", key },
        h("b", {}, "Publishers are refused: "),
        text,
        ". Consumers go on.",
      ),
    );
}

function health(node) {
  return h(
    "section",
    { class: "panel node", key: node.name },
    h(
      "h3",
      {},
      node.name,
      h(
        "span",
        { class: node.running === false ? "badge bad" : "badge good" },
        node.running === false ? "down" : "running",
      ),
    ),
    meter("Memory", node.mem_used, node.mem_limit, bytes, node.mem_alarm, "alarm at"),
    meter("Disk free", node.disk_free, node.disk_free_limit, bytes, node.disk_free_alarm, "alarm below", true),
    meter("File descriptors", node.fd_used, node.fd_total, whole, false, "of"),
    meter("Sockets", node.sockets_used, node.sockets_total, whole, false, "of"),
    h(
      "p",
      { class: "muted" },
      `Up for ${duration(node.uptime / 1000)}`,
      node.processors ? `, ${count(node.processors, "processor")}` : "",
    ),
  );
}

function meter(label, value, limit, unit, isAlarmed, word, isFloor = false) {
  if (!Number.isFinite(value)) return null;
  const share = isFloor ? null : Math.min(1, value / Math.max(1, limit));
  return h(
    "div",
    { class: isAlarmed ? "meter bad" : share > 0.8 ? "meter warn" : "meter" },
    h("span", {}, label),
    h("span", {}, h("b", {}, unit(value)), limit ? h("span", { class: "muted" }, ` ${word} ${unit(limit)}`) : null),
    share !== null && h("div", { class: "bar" }, h("div", { style: { width: `${share * 100}%` } })),
  );
}

function card(queue) {
  return h(
    "li",
    { class: "panel", key: `${queue.vhost} ${queue.name}` },
    h(
      "h3",
      {},
      h("a", { href: to("queues", queue.vhost, queue.name) }, queue.name),
      h("span", { class: "muted" }, ` in ${queue.vhost}`),
      queue.ponymq_why && stateBadge(queue),
    ),
    h("p", {}, h("b", {}, count(queue.messages, "message")), `, ${count(queue.consumers, "consumer")}`),
    reasons(queue.ponymq_why, 1),
  );
}

function about(facts) {
  return h(
    "footer",
    { class: "about" },
    h(
      "p",
      { class: "muted" },
      `${facts.product_name} ${facts.product_version} · cluster ${facts.cluster_name}`,
      facts.node ? ` · node ${facts.node}` : "",
      ` · ${facts.erlang_version}`,
    ),
    h("p", { class: "muted" }, h("a", { href: "api/index.html" }, "Every path of the HTTP API")),
    facts.listeners &&
      h(
        "ul",
        { class: "chips" },
        facts.listeners.map((each) => h("li", {}, h("b", {}, each.protocol), ` ${each.ip_address}:${each.port}`)),
      ),
  );
}
