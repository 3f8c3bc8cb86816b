// The limits of vhosts and users: which there are, and changing them.

import { put, remove } from "./api.js";
import { whole } from "./format.js";
import { field } from "./forms.js";

/** By what they belong to: the API's name, then words. */
export const LIMITS = {
  vhost: [
    ["max-connections", "Most connections"],
    ["max-queues", "Most queues"],
  ],
  user: [
    ["max-connections", "Most connections"],
    ["max-channels", "Most channels"],
  ],
};

/** A field for each limit. */
export const limitFields = (kind, values) =>
  LIMITS[kind].map(([name, label]) =>
    field({ label, name, type: "number", min: 0, value: values?.[name] ?? "", hint: "Empty for no limit." }),
  );

/** Set those that were typed, and end those that were cleared. */
export async function putLimits(where, kind, data) {
  for (const [name] of LIMITS[kind]) {
    if (data.get(name) === "") await remove(`${where}/${name}`);
    else await put(`${where}/${name}`, { value: Number(data.get(name)) });
  }
}

export const limitText = (value) => (value === undefined || value < 0 ? "no limit" : whole(value));
