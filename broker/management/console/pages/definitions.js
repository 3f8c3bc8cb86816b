// Definitions: everything but the messages, as a file.

import { get, path, post } from "../api.js";
import { confirm } from "../dialog.js";
import { InputError, field, objectOf } from "../forms.js";
import { note } from "../notes.js";
import { h } from "../view.js";

export function definitions({ app }) {
  const all = [["", "the whole broker"], ...app.vhosts.map((name) => [name, `vhost ${name}`])];
  const where = (vhost) => (vhost ? path`definitions/${vhost}` : "definitions");

  async function download(event) {
    event.preventDefault();
    const vhost = new FormData(event.target).get("vhost");
    await app.carryOut(async () => {
      const text = JSON.stringify(await get(where(vhost)), null, 2);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
      link.download = `definitions-${new Date().toISOString().slice(0, 10)}.json`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  async function upload(event) {
    event.preventDefault();
    const form = event.target;
    const data = new FormData(form);
    const file = data.get("file");
    let content;
    try {
      content = objectOf(await file.text(), file.name);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      note(error.message, "bad");
      return;
    }
    const lists = Object.entries(content).filter(([, list]) => Array.isArray(list) && list.length);
    const isDone = await confirm({
      title: `Load ${file.name}`,
      text: [
        `In it: ${lists.map(([name, list]) => `${list.length} ${name.replace("_", " ")}`).join(", ") || "nothing"}. `,
        "Users, permissions and policies of the same name are overwritten; queues and exchanges that exist stay as ",
        "they are; nothing is deleted.",
      ],
      action: "Load",
      submit: () => post(where(data.get("vhost")), content),
    });
    if (!isDone) return;
    note("The definitions are loaded.");
    form.reset();
    await app.loadVhosts();
    app.draw();
  }

  const view = () =>
    h(
      "div",
      { class: "columns" },
      h(
        "section",
        { class: "panel" },
        h("h2", {}, "Download"),
        h(
          "form",
          { class: "fields", onsubmit: download },
          h(
            "p",
            { class: "muted" },
            "Users, vhosts, permissions, policies, exchanges, queues and bindings in RabbitMQ's JSON; no messages. ",
            "It holds hashes of passwords: keep it to yourself.",
          ),
          field({ label: "Of", name: "vhost", options: all }),
          h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Download")),
        ),
      ),
      h(
        "section",
        { class: "panel" },
        h("h2", {}, "Upload"),
        h(
          "form",
          { class: "fields", onsubmit: upload },
          h(
            "p",
            { class: "muted" },
            "A file that was downloaded here, or from a RabbitMQ. You are shown what is in it before it is loaded.",
          ),
          field({ label: "File", name: "file", type: "file", accept: ".json,application/json", isRequired: true }),
          field({ label: "Into", name: "vhost", options: all }),
          h("div", { class: "buttons" }, h("button", { type: "submit" }, "Look at it")),
        ),
      ),
    );

  return { title: "Definitions", view };
}
