// The page before all others.

import { ApiError, post } from "./api.js";
import { mark } from "./icons.js";
import { h } from "./view.js";

/**
 * The login form.
 *
 * @param {object} spec
 * @param {string?} spec.reason Why it is asked for, if there is anything to say.
 * @param {function(): Promise} spec.done Called when the session is there.
 */
export function login({ reason, done }) {
  const send = async (event) => {
    event.preventDefault();
    const form = event.target;
    const data = new FormData(form);
    const button = form.querySelector("button");
    const problem = form.querySelector("[role=alert]");
    button.disabled = true;
    problem.textContent = "";
    try {
      await post("ponymq/session", { username: data.get("username"), password: data.get("password") });
      await done();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem.textContent = error.isSessionEnd ? "The user name or the password is wrong." : sentence(error);
      button.disabled = false;
      form.elements.password.select();
    }
  };
  return h(
    "main",
    { class: "login", id: "content", key: "login" },
    h(
      "form",
      { onsubmit: send },
      mark(),
      h("h1", {}, "PonyMQ"),
      h("p", { class: "muted" }, reason ?? "Log in to look after this broker."),
      h(
        "label",
        { class: "field" },
        h("span", { class: "label" }, "User name"),
        h("input", {
          name: "username",
          autocomplete: "username",
          autocapitalize: "none",
          spellcheck: "false",
          required: true,
          hook: (box) => setTimeout(() => box.focus()),
        }),
      ),
      h(
        "label",
        { class: "field" },
        h("span", { class: "label" }, "Password"),
        h("input", { name: "password", type: "password", autocomplete: "current-password", required: true }),
      ),
      h("p", { class: "problem", role: "alert" }),
      h("button", { type: "submit", class: "primary" }, "Log in"),
    ),
  );
}

function sentence(error) {
  if (error.message === "User can only log in via localhost")
    return "This user may log in from the broker's own machine only.";
  if (error.message === "Not management user")
    return "This user has no tag that lets it into the console, such as management or monitoring.";
  return error.message;
}
