// The console: who is logged in, which page is open, and the frame around it.

import { ApiError, get, remove, sessionEnd } from "./api.js";
import { login } from "./login.js";
import { note } from "./notes.js";
import { PAGES } from "./pages.js";
import { Poll } from "./poll.js";
import { applyTheme, changes } from "./preferences.js";
import { place } from "./router.js";
import { frame } from "./frame.js";
import { h, render } from "./view.js";

class App {
  constructor(root) {
    this.root = root;
    this.me = null; // who is logged in
    this.vhosts = []; // names, for the selector
    this.page = null;
    this.poll = null;
    this.problem = null; // why the last question had no answer
    this.isMenuOpen = false;
  }

  async start() {
    addEventListener("hashchange", () => {
      this.open();
      document.getElementById("content")?.focus({ preventScroll: true }); // so that the next Tab is on the new page
    });
    addEventListener("keydown", ({ key }) => {
      if (key !== "Escape" || !this.isMenuOpen) return;
      this.isMenuOpen = false;
      this.draw();
    });
    sessionEnd.addEventListener(
      "end",
      () => this.me && this.askLogin("Your session has ended. Log in again to go on."),
    );
    changes.addEventListener("change", ({ detail }) => (detail === "vhost" ? this.open() : this.draw()));
    try {
      if ((await get("ponymq/session")).is_open) await this.enter();
      else this.askLogin(null);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.askLogin(error.message);
    }
  }

  /** Find out who is logged in, and open the page of the address. */
  async enter() {
    this.me = await get("whoami");
    await this.loadVhosts();
    this.open();
  }

  async loadVhosts() {
    this.vhosts = (await get("vhosts", { columns: "name" })).map(({ name }) => name);
  }

  askLogin(reason) {
    this.close();
    this.me = null;
    document.title = "Log in · PonyMQ";
    render(this.root, login({ reason, done: () => this.enter() }));
  }

  async logOut() {
    await remove("ponymq/session");
    this.askLogin("You are logged out.");
  }

  close() {
    this.poll?.stop();
    this.page?.close?.();
    this.page = null;
  }

  /** Open the page that the address names. */
  open() {
    if (!this.me) return;
    this.close();
    this.isMenuOpen = false;
    const where = place();
    const [name = "overview", ...names] = where.parts;
    const make = PAGES[name];
    this.page = make ? make({ app: this, names, query: where.query }) : { title: "Not here", view: () => lost() };
    this.problem = null;
    this.isFirst = true;
    document.title = `${this.page.title} · PonyMQ`;
    this.draw();
    scrollTo({ top: 0 });
    this.poll = new Poll(
      (signal) => this.page.load?.(signal),
      (error) => this.told(error),
    );
    this.refresh();
  }

  /** Ask the page's questions now. */
  refresh() {
    return this.poll?.now();
  }

  told(error) {
    if (!this.me) return;
    if (error?.isSessionEnd) return;
    this.isFirst = false;
    this.problem = error;
    this.draw();
  }

  draw() {
    if (this.me && this.page) render(this.root, frame(this));
  }

  /** Do something that the user asked for, and say how it went. Returns whether it was done. */
  async carryOut(work, done) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      note(error.message, "bad");
      return false;
    }
    if (done) note(done);
    this.refresh();
    return true;
  }

  get isAdministrator() {
    return this.me.tags.includes("administrator");
  }

  get isMonitor() {
    return this.isAdministrator || this.me.tags.includes("monitoring");
  }

  get isPolicymaker() {
    return this.isAdministrator || this.me.tags.includes("policymaker");
  }
}

function lost() {
  return h(
    "div",
    { class: "empty" },
    h("p", {}, "There is no such page."),
    h("a", { href: "#/" }, "Go to the overview"),
  );
}

applyTheme();
new App(document.getElementById("app")).start();
