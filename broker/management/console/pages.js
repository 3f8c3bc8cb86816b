// Every page by the first part of its address, and the menu that leads to them.

import { channels } from "./pages/channels.js";
import { connections } from "./pages/connections.js";
import { consumers } from "./pages/consumers.js";
import { definitions } from "./pages/definitions.js";
import { exchanges } from "./pages/exchanges.js";
import { limits } from "./pages/limits.js";
import { log } from "./pages/log.js";
import { overview } from "./pages/overview.js";
import { policies } from "./pages/policies.js";
import { queues } from "./pages/queues.js";
import { topology } from "./pages/topology.js";
import { users } from "./pages/users.js";
import { vhosts } from "./pages/vhosts.js";

/**
 * Each makes a page: `title`, `load(signal)` asks the API, `view()` says what is to be seen, `close()` lets go.
 *
 * They are given the console, and the names and the query in the address.
 */
export const PAGES = {
  overview,
  queues,
  exchanges,
  topology,
  connections,
  channels,
  consumers,
  users,
  vhosts,
  policies,
  limits,
  definitions,
  log,
};

/** Groups of the menu: heading, then address, text, and who may see it. */
export const MENU = [
  [
    "",
    [
      ["overview", "Overview"],
      ["topology", "Topology"],
    ],
  ],
  [
    "Messages",
    [
      ["queues", "Queues & streams"],
      ["exchanges", "Exchanges"],
    ],
  ],
  [
    "Clients",
    [
      ["connections", "Connections"],
      ["channels", "Channels"],
      ["consumers", "Consumers"],
    ],
  ],
  [
    "Administration",
    [
      ["users", "Users", "isAdministrator"],
      ["vhosts", "Virtual hosts"],
      ["policies", "Policies"],
      ["limits", "Limits", "isAdministrator"],
      ["definitions", "Definitions", "isAdministrator"],
      ["log", "Log", "isMonitor"],
    ],
  ],
];
