// The whole broker at a glance.

import { get, getIfAny } from "../api.js";
import { chart } from "../chart.js";
import { bytes, count, duration, rate, short, whole } from "../format.js";
import { levels, rates, sampleQuery, spanSeconds } from "../history.js";
import { preference } from "../preferences.js";
import { to } from "../router.js";
import { spanChoice } from "../span.js";
import { h } from "../view.js";
import { reasons, stateBadge } from "../why.js";

const BUSIEST = 5;

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
    const stats = facts.message_stats;
    const span = spanSeconds(preference("span"));
    const line = (label, name) => ({ label, points: rates("overview", stats, name) });
    const churn = (label, name) => ({ label, points: rates("overview churn", facts.churn_rates, name) });
    const level = (label, name) => ({ label, points: levels("overview", facts.queue_totals, name) });
    return [
      alarms(nodes),
      tiles(facts),
      h("div", { class: "section-head" }, h("h2", {}, "Now and before"), spanChoice(app)),
      h(
        "div",
        { class: "charts" },
        chart({
          title: "Message rates",
          unit: rate,
          span,
          series: [
            line("Published", "publish"),
            line("Delivered", "deliver_get"),
            line("Acknowledged", "ack"),
            line("Confirmed", "confirm"),
            line("Redelivered", "redeliver"),
            line("Unroutable", "drop_unroutable"),
          ],
        }),
        chart({
          title: "Queued messages",
          unit: short,
          span,
          whole: true,
          series: [
            level("Ready", "messages_ready"),
            level("Unacknowledged", "messages_unacknowledged"),
            level("Total", "messages"),
          ],
        }),
        chart({
          title: "Churn",
          unit: rate,
          span,
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

function tiles({ message_stats: stats, queue_totals: queued, object_totals: objects }) {
  const tile = (label, value, unit, href) =>
    h(
      href ? "a" : "div",
      { class: "tile", href },
      h("span", { class: "label" }, label),
      h("strong", {}, value),
      unit && h("span", { class: "unit" }, unit),
    );
  return h(
    "div",
    { class: "tiles", key: "tiles" },
    tile("Published", short(stats.publish_details.rate), "per second"),
    tile("Delivered", short(stats.deliver_get_details.rate), "per second"),
    tile("Ready", short(queued.messages_ready), "messages", "#/queues?sort=messages_ready&reverse=true"),
    tile(
      "Unacked",
      short(queued.messages_unacknowledged),
      "messages",
      "#/queues?sort=messages_unacknowledged&reverse=true",
    ),
    tile("Connections", whole(objects.connections), null, "#/connections"),
    tile("Channels", whole(objects.channels), null, "#/channels"),
    tile("Consumers", whole(objects.consumers), null, "#/consumers"),
    tile("Queues", whole(objects.queues), null, "#/queues"),
    tile("Exchanges", whole(objects.exchanges), null, "#/exchanges"),
  );
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
