// Fields of forms, and what was typed into them.

import { h } from "./view.js";

/** A labelled input; `options` of [value, text] make it a choice, `rows` a text of several lines. */
export function field({
  label,
  name,
  type = "text",
  value = "",
  hint,
  isRequired = false,
  options,
  rows,
  onchange,
  ...others
}) {
  const shared = {
    name,
    required: isRequired,
    "aria-label": typeof label === "string" ? label : null,
    onchange,
    ...others,
  };
  let input;
  if (options) {
    input = h(
      "select",
      shared,
      options.map(([each, text]) => h("option", { value: each, selected: each === value }, text)),
    );
  } else if (rows) {
    input = h("textarea", { ...shared, rows, spellcheck: "false", hook: (area) => (area.value = value) });
  } else {
    input = h("input", {
      ...shared,
      type,
      autocomplete: type === "password" ? "new-password" : "off",
      spellcheck: "false",
      autocapitalize: "none",
      hook: (box) => (box.value = value),
    });
  }
  return h(
    "label",
    { class: "field" },
    h("span", { class: "label" }, label),
    input,
    hint && h("span", { class: "hint" }, hint),
  );
}

/** A checkbox with its text. */
export function check({ label, name, value = false, hint }) {
  return h(
    "label",
    { class: "check" },
    h("input", { type: "checkbox", name, hook: (box) => (box.checked = value) }),
    h("span", {}, label, hint && h("span", { class: "hint" }, hint)),
  );
}

/** Something that was typed cannot be sent. */
export class InputError extends Error {}

/**
 * A text as an object of JSON; nothing is an empty one.
 *
 * @param {string} text What was typed.
 * @param {string} what Its name in the complaint.
 */
export function objectOf(text, what) {
  if (!text?.trim()) return {};
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${what} is not JSON: ${error.message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new InputError(`${what} is no object: { … }`);
  return value;
}
