// What surrounds every page: the menu, the choices that hold for all of them, and a word when the broker is silent.

import { icon, mark } from "./icons.js";
import { MENU } from "./pages.js";
import { prefer, preference } from "./preferences.js";
import { go, place } from "./router.js";
import { h } from "./view.js";

const INTERVALS = [
  [1, "every second"],
  [2, "every 2 s"],
  [5, "every 5 s"],
  [10, "every 10 s"],
  [30, "every 30 s"],
  [0, "paused"],
];
const THEMES = [
  ["system", "Colours: system"],
  ["light", "Colours: light"],
  ["dark", "Colours: dark"],
];

/** The whole document of somebody who is logged in. */
export function frame(app) {
  const toggle = () => {
    app.isMenuOpen = !app.isMenuOpen;
    app.draw();
  };
  return h(
    "div",
    { class: app.isMenuOpen ? "frame menu-open" : "frame", key: "frame" },
    h(
      "div",
      { class: "side" },
      h(
        "header",
        { class: "top" },
        h(
          "button",
          {
            type: "button",
            class: "menu-button",
            "aria-expanded": String(app.isMenuOpen),
            "aria-controls": "menu",
            "aria-label": "Menu",
            onclick: toggle,
          },
          icon("menu"),
        ),
        h("a", { class: "brand", href: "#/" }, mark(), h("span", {}, "PonyMQ")),
        vhostSelector(app),
      ),
      h("div", { class: "shade", onclick: toggle }),
      menu(app),
    ),
    h(
      "main",
      { id: "content", tabindex: -1, key: location.hash.split("?")[0], "aria-busy": app.isFirst ? "true" : null },
      silence(app),
      content(app),
    ),
  );
}

/** The page itself; its heading stands there before the broker has answered. */
function content(app) {
  const page = app.page;
  const heading = page.heading ?? h("h1", {}, page.title);
  if (app.isFirst) return [heading, h("p", { class: "loading muted" }, "Asking the broker…")];
  if (app.problem && !page.isLoaded?.()) return [heading, problem(app)];
  return page.hasHead ? page.view() : [heading, page.view()];
}

function vhostSelector(app) {
  const choose = (event) => prefer("vhost", event.target.value);
  if (app.vhosts.length < 2) return null;
  return h(
    "label",
    { class: "vhost" },
    h("span", { class: "muted" }, "vhost"),
    h(
      "select",
      { value: preference("vhost"), onchange: choose, "aria-label": "Virtual host" },
      h("option", { value: "" }, "all"),
      app.vhosts.map((name) => h("option", { value: name, selected: name === preference("vhost") }, name)),
    ),
  );
}

function menu(app) {
  const [current = "overview"] = place().parts;
  return h(
    "nav",
    { class: "menu", id: "menu", "aria-label": "Pages" },
    MENU.map(([heading, entries]) =>
      h(
        "section",
        {},
        heading && h("h2", {}, heading),
        h(
          "ul",
          {},
          entries
            .filter(([, , right]) => !right || app[right])
            .map(([name, text]) =>
              h(
                "li",
                {},
                h(
                  "a",
                  { href: name === "overview" ? "#/" : `#/${name}`, "aria-current": name === current ? "page" : null },
                  icon(name),
                  text,
                ),
              ),
            ),
        ),
      ),
    ),
    h(
      "section",
      { class: "menu-foot" },
      choice("Ask the broker", INTERVALS, "interval", Number),
      choice("Colours", THEMES, "theme", String),
      h(
        "p",
        { class: "who" },
        h("span", {}, h("b", {}, app.me.name), h("span", { class: "muted" }, app.me.tags.join(", "))),
        h("button", { type: "button", onclick: () => app.logOut() }, "Log out"),
      ),
    ),
  );
}

function choice(label, options, name, type) {
  const now = preference(name);
  const choose = (event) => prefer(name, type(event.target.value));
  return h(
    "select",
    { "aria-label": label, onchange: choose },
    options.map(([value, text]) =>
      h(
        "option",
        { value, selected: value === now },
        name === "interval" && value ? `Refresh ${text}` : name === "interval" ? "Refresh paused" : text,
      ),
    ),
  );
}

function silence(app) {
  if (!app.problem || app.problem.status !== 0) return null;
  return h(
    "p",
    { class: "banner bad", role: "alert", key: "silence" },
    "The broker does not answer. What you see is from before; it is asked again and again.",
  );
}

function problem(app) {
  const isGone = app.problem.status === 404;
  return h(
    "div",
    { class: "empty", key: "problem" },
    h("p", {}, isGone ? "It is not there, or not any more." : app.problem.message),
    h(
      "button",
      { type: "button", onclick: () => (isGone ? go("#/") : app.refresh()) },
      isGone ? "Go to the overview" : "Try again",
    ),
  );
}
