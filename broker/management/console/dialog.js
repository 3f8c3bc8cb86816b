// Questions that are answered before anything happens.

import { ApiError } from "./api.js";
import { InputError, field } from "./forms.js";
import { h, render } from "./view.js";

/**
 * Ask for the fields of a form.
 *
 * @param {object} spec
 * @param {string} spec.title
 * @param {*} spec.body Elements above the buttons; a function is called for each drawing, with a function that redraws.
 * @param {string} spec.action What the button says.
 * @param {boolean?} spec.isDangerous
 * @param {function(FormData): Promise} spec.submit Does it. An ApiError is shown and the dialog stays.
 * @returns {Promise<boolean>} Whether it was done.
 */
export function ask({ title, body, action, isDangerous = false, submit }) {
  return new Promise((resolve) => {
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-label", title);
    let problem = null;
    let isBusy = false;
    let isDone = false;
    const sent = async (event) => {
      event.preventDefault();
      if (isBusy) return;
      const data = new FormData(event.target);
      isBusy = true;
      problem = null;
      draw();
      try {
        await submit(data);
        isDone = true;
        dialog.close();
      } catch (error) {
        if (!(error instanceof ApiError) && !(error instanceof InputError)) throw error;
        problem = error.message;
      } finally {
        isBusy = false;
        draw();
      }
    };
    const cancel = () => dialog.close();
    const draw = () =>
      render(
        dialog,
        h(
          "form",
          { onsubmit: sent },
          h("h2", {}, title),
          h("div", { class: "fields" }, typeof body === "function" ? body(draw) : body),
          h("p", { class: "problem", role: "alert" }, problem),
          h(
            "div",
            { class: "buttons" },
            h("button", { type: "button", onclick: cancel }, "Cancel"),
            h("button", { type: "submit", class: isDangerous ? "danger" : "primary", disabled: isBusy }, action),
          ),
        ),
      );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(isDone);
    });
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    draw();
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Ask whether something that cannot be undone is meant.
 *
 * @param {string?} spec.word The name to be typed; without one, a click is enough.
 */
export function confirm({ title, text, action, word, submit }) {
  const check = async (data) => {
    if (word !== undefined && data.get("word") !== word) throw new InputError("That is not the name.");
    await submit(data);
  };
  const body = [
    h("p", {}, text),
    word !== undefined && field({ label: ["Type ", h("code", {}, word), " to go on"], name: "word", isRequired: true }),
  ];
  return ask({ title, body, action, isDangerous: true, submit: check });
}
