// One user: tags, password, and rights in each vhost.

import { get, path, put, remove } from "../api.js";
import { ask, confirm } from "../dialog.js";
import { facts, head } from "../facts.js";
import { field } from "../forms.js";
import { limitFields, putLimits } from "../limits.js";
import { note } from "../notes.js";
import { vhostField } from "../queue_actions.js";
import { go } from "../router.js";
import { table } from "../table.js";
import { h } from "../view.js";
import { TAGS_HINT, newPassword, passwordFields } from "./users.js";

export function user({ app, name }) {
  let account = null;
  let permissions = [];
  let topics = [];

  async function load(signal) {
    [account, permissions, topics] = await Promise.all([
      get(path`users/${name}`, {}, signal),
      get(path`users/${name}/permissions`, {}, signal),
      get(path`users/${name}/topic-permissions`, {}, signal),
    ]);
  }

  async function change(spec, done) {
    if (!(await ask(spec))) return;
    note(done);
    app.refresh();
  }

  const changePassword = () =>
    change(
      {
        title: `A new password for ${name}`,
        action: "Change",
        body: [passwordFields(), h("p", { class: "muted" }, "Open connections stay; sessions of the console end.")],
        submit: (data) => put(path`users/${name}`, { password: newPassword(data), tags: account.tags }),
      },
      "The password is changed.",
    );

  // The API has no change of tags alone: the password goes back as the hash that it is.
  const changeTags = () =>
    change(
      {
        title: `Tags of ${name}`,
        action: "Change",
        body: field({ label: "Tags", name: "tags", value: account.tags.join(", "), hint: TAGS_HINT }),
        submit: (data) =>
          put(path`users/${name}`, {
            password_hash: account.password_hash,
            hashing_algorithm: account.hashing_algorithm,
            tags: data.get("tags"),
          }),
      },
      "The tags are changed.",
    );

  const changeLimits = () =>
    change(
      {
        title: `Limits of ${name}`,
        action: "Change",
        body: limitFields("user", account.limits),
        submit: (data) => putLimits(path`user-limits/${name}`, "user", data),
      },
      "The limits are changed.",
    );

  const permit = (now = {}) =>
    change(
      {
        title: now.vhost === undefined ? `Let ${name} into a vhost` : `Rights of ${name} in ${now.vhost}`,
        action: "Set",
        body: [
          now.vhost === undefined && vhostField(app),
          h(
            "p",
            { class: "muted" },
            "Regular expressions that names of queues and exchanges must match. .* is all of them, ^$ none.",
          ),
          ["configure", "write", "read"].map((each) =>
            field({
              label: {
                configure: "Configure: declare and delete",
                write: "Write: publish, bind to",
                read: "Read: consume, bind from",
              }[each],
              name: each,
              value: now[each] ?? ".*",
            }),
          ),
        ],
        submit: (data) =>
          put(path`permissions/${now.vhost ?? data.get("vhost")}/${name}`, {
            configure: data.get("configure"),
            write: data.get("write"),
            read: data.get("read"),
          }),
      },
      "The rights are set.",
    );

  const permitTopic = () =>
    change(
      {
        title: `Routing keys of ${name}`,
        action: "Set",
        body: [
          vhostField(app),
          field({ label: "Topic exchange", name: "exchange", isRequired: true }),
          field({ label: "May publish keys like", name: "write", value: ".*" }),
          field({ label: "May bind keys like", name: "read", value: ".*" }),
        ],
        submit: (data) =>
          put(path`topic-permissions/${data.get("vhost")}/${name}`, {
            exchange: data.get("exchange"),
            write: data.get("write"),
            read: data.get("read"),
          }),
      },
      "The rights are set.",
    );

  async function destroy() {
    const isDone = await confirm({
      title: `Delete ${name}`,
      text: "The user, its rights and limits go, and its connections are closed.",
      action: "Delete",
      word: name,
      submit: () => remove(path`users/${name}`),
    });
    if (!isDone) return;
    note("The user is deleted.");
    go("#/users");
  }

  function view() {
    const drop = (row) =>
      app.carryOut(
        () => remove(path`permissions/${row.vhost}/${name}`),
        `${name} may not enter ${row.vhost} any more.`,
      );
    const dropTopic = (row) =>
      app.carryOut(
        () => remove(path`topic-permissions/${row.vhost}/${name}/${row.exchange}`),
        "Every routing key is allowed again.",
      );
    const code = (key) => (row) => h("code", {}, row[key] || "^$");
    const button = (text, act, kind = "quiet") => h("button", { type: "button", class: kind, onclick: act }, text);
    return [
      head({
        crumbs: [["Users", "#/users"]],
        title: name,
        badges: h(
          "p",
          { class: "badges" },
          account.tags.map((tag) => h("span", { class: "badge", key: tag }, tag)),
        ),
        buttons: [
          { text: "Change password", act: changePassword },
          { text: "Change tags", act: changeTags },
          { text: "Change limits", act: changeLimits },
          { text: "Delete", kind: "danger", act: destroy },
        ],
      }),
      h(
        "section",
        { class: "panel", key: "permissions" },
        h(
          "div",
          { class: "section-head" },
          h("h2", {}, "Permissions"),
          h("button", { type: "button", onclick: () => permit() }, "Let into a vhost"),
        ),
        table({
          label: "Permissions",
          rows: permissions,
          key: (row) => row.vhost,
          columns: [
            { label: "Vhost", isMain: true, cell: (row) => row.vhost },
            { label: "Configure", cell: code("configure") },
            { label: "Write", cell: code("write") },
            { label: "Read", cell: code("read") },
            {
              label: "",
              cell: (row) =>
                h(
                  "span",
                  { class: "buttons" },
                  button("Change", () => permit(row)),
                  button("Take away", () => drop(row), "quiet danger"),
                ),
            },
          ],
          empty: h("p", {}, "This user may enter no vhost, and so cannot connect."),
        }),
      ),
      h(
        "section",
        { class: "panel", key: "topics" },
        h(
          "div",
          { class: "section-head" },
          h("h2", {}, "Topic permissions"),
          h("button", { type: "button", onclick: permitTopic }, "Restrict routing keys"),
        ),
        table({
          label: "Topic permissions",
          rows: topics,
          key: (row) => `${row.vhost} ${row.exchange}`,
          columns: [
            { label: "Exchange", isMain: true, cell: (row) => row.exchange },
            { label: "Vhost", cell: (row) => row.vhost },
            { label: "Write", cell: code("write") },
            { label: "Read", cell: code("read") },
            { label: "", cell: (row) => button("Take away", () => dropTopic(row), "quiet danger") },
          ],
          empty: h("p", {}, "Every routing key is allowed."),
        }),
      ),
      h(
        "section",
        { class: "panel", key: "details" },
        h("h2", {}, "Details"),
        facts([
          ["Hash of the password", account.password_hash ? account.hashing_algorithm : "none"],
          ...Object.entries(account.limits ?? {}),
        ]),
      ),
    ];
  }

  return { title: name, hasHead: true, load, view, isLoaded: () => account !== null };
}
