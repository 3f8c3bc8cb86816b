// All users, and the page of one.

import { put, path } from "../api.js";
import { badges } from "../badges.js";
import { ask } from "../dialog.js";
import { InputError, field } from "../forms.js";
import { Listing } from "../listing.js";
import { note } from "../notes.js";
import { go, to } from "../router.js";
import { h } from "../view.js";
import { user } from "./user.js";

export const TAGS_HINT =
  "Words with commas between them: administrator, monitoring, policymaker, management; none for an application.";

export function users({ app, names }) {
  if (names.length === 1) return user({ app, name: names[0] });
  const listing = new Listing(app, {
    label: "Users",
    noun: "user",
    source: "users",
    key: (row) => row.name,
    columns: [
      { label: "Name", sort: "name", isMain: true, cell: (row) => h("a", { href: to("users", row.name) }, row.name) },
      { label: "Tags", cell: (row) => badges(row.tags.map((tag) => [tag])) },
      {
        label: "Password",
        cell: (row) => (row.password_hash ? "yes" : h("span", { class: "muted" }, "none: cannot log in with one")),
      },
      {
        label: "Limits",
        cell: (row) =>
          Object.entries(row.limits ?? {}).map(([name, value]) => h("div", { key: name }, `${name}: ${value}`)),
      },
    ],
    empty: h("p", {}, "There is no user."),
  });
  return listing.page("Users", { text: "Add a user", act: addUser });
}

async function addUser() {
  let address = null;
  const submit = async (data) => {
    await put(path`users/${data.get("name")}`, { password: newPassword(data), tags: data.get("tags") });
    address = to("users", data.get("name"));
  };
  const isDone = await ask({
    title: "Add a user",
    action: "Add",
    body: [
      field({ label: "Name", name: "name", isRequired: true, maxlength: 255 }),
      passwordFields(),
      field({ label: "Tags", name: "tags", hint: TAGS_HINT }),
    ],
    submit,
  });
  if (!isDone) return;
  note("The user is there, but may enter no vhost yet.");
  go(address);
}

/** A password, twice. */
export const passwordFields = () =>
  h(
    "div",
    { class: "pair" },
    field({ label: "Password", name: "password", type: "password", isRequired: true }),
    field({ label: "The same again", name: "again", type: "password", isRequired: true }),
  );

/** What was typed twice. */
export function newPassword(data) {
  if (data.get("password") !== data.get("again")) throw new InputError("The two passwords are not the same.");
  return data.get("password");
}
