// Lists that the broker pages, sorts and filters: ten thousand queues are as quick as ten.
//
// Page, order and filter stand in the address.

import { ApiError, get } from "./api.js";
import { count } from "./format.js";
import { preference } from "./preferences.js";
import { place, replaceQuery } from "./router.js";
import { table } from "./table.js";
import { h } from "./view.js";

const PAGE_SIZE = 50;
const TYPING_MS = 250;

/** One list, and the page that shows it. */
export class Listing {
  /**
   * @param {object} app The console.
   * @param {object} spec As of `table`, with `source`, the path in the API, and `noun`, what a row is; `query` is asked
   *     in addition, `sort` is the order at first.
   */
  constructor(app, spec) {
    this.app = app;
    this.spec = spec;
    this.answer = null;
    this.problem = null;
  }

  /**
   * The page that shows this list and nothing else.
   *
   * @param {string} title Also its heading.
   * @param {object?} button What stands beside the heading: its `text`, and `act`, what it does.
   */
  page(title, button) {
    return {
      title,
      heading: button
        ? h(
            "div",
            { class: "page-head" },
            h("h1", {}, title),
            h("button", { type: "button", class: "primary", onclick: button.act }, button.text),
          )
        : null,
      load: (signal) => this.load(signal),
      view: () => this.view(),
      isLoaded: () => this.answer !== null,
    };
  }

  async load(signal) {
    const { query } = place();
    const vhost = preference("vhost");
    const source = vhost && this.spec.byVhost ? this.spec.byVhost(vhost) : this.spec.source;
    const asked = {
      page: query.get("page") ?? 1,
      page_size: PAGE_SIZE,
      name: query.get("name"),
      use_regex: query.get("regex"),
      sort: query.get("sort") ?? this.spec.sort,
      sort_reverse: query.get("sort") ? query.get("reverse") : this.spec.isReverse,
      ...this.spec.query,
    };
    this.problem = null;
    try {
      this.answer = paged(await get(source, asked, signal));
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 400) throw error;
      if (Number(asked.page) > 1) {
        replaceQuery({ page: "" }); // rows have gone, and the page with them
        this.answer = paged(await get(source, { ...asked, page: 1 }, signal));
      } else {
        this.problem = error.message; // a regular expression that is not finished yet
      }
    }
  }

  view() {
    const { query } = place();
    const answer = this.answer;
    if (!answer) return null;
    const isFiltered = Boolean(query.get("name"));
    return [
      h(
        "div",
        { class: "list-bar", key: "bar" },
        h(
          "label",
          { class: "search" },
          h("span", { class: "hidden" }, "Filter by name"),
          h("input", {
            type: "search",
            placeholder: `Filter ${this.spec.noun}s by name`,
            value: query.get("name") ?? "",
            oninput: this.typed,
            "aria-invalid": this.problem ? "true" : null,
          }),
        ),
        h(
          "label",
          { class: "check" },
          h("input", { type: "checkbox", checked: query.get("regex") === "true", onchange: this.switched }),
          "Regular expression",
        ),
        h(
          "span",
          { class: "muted total", role: "status" },
          this.problem ??
            (isFiltered
              ? `${count(answer.filtered_count, this.spec.noun)} of ${answer.total_count}`
              : count(answer.total_count, this.spec.noun)),
        ),
      ),
      table({
        ...this.spec,
        rows: answer.items,
        order: {
          sort: query.get("sort") ?? this.spec.sort ?? "name",
          isReverse: query.get("sort") ? query.get("reverse") === "true" : Boolean(this.spec.isReverse),
          by: this.by,
        },
        empty: isFiltered
          ? [
              h("p", {}, `No ${this.spec.noun} has a name like that.`),
              h("button", { type: "button", onclick: this.unfilter }, "Clear the filter"),
            ]
          : this.spec.empty,
      }),
      answer.page_count > 1 && this.pages(answer),
    ];
  }

  pages({ page, page_count: last, page_size: size, filtered_count: all }) {
    const turn = (to, label, text) =>
      h(
        "button",
        {
          type: "button",
          disabled: to < 1 || to > last || to === page,
          "aria-label": label,
          onclick: () => this.turn(to),
        },
        text,
      );
    return h(
      "nav",
      { class: "pages", "aria-label": "Pages", key: "pages" },
      turn(1, "First page", "«"),
      turn(page - 1, "Previous page", "‹"),
      h("span", {}, `${(page - 1) * size + 1}–${Math.min(all, page * size)} of ${all}`),
      turn(page + 1, "Next page", "›"),
      turn(last, "Last page", "»"),
    );
  }

  typed = (event) => {
    replaceQuery({ name: event.target.value, page: "" });
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.app.refresh(), TYPING_MS);
  };

  switched = (event) => {
    replaceQuery({ regex: event.target.checked ? "true" : "", page: "" });
    this.app.refresh();
  };

  unfilter = () => {
    replaceQuery({ name: "", regex: "", page: "" });
    this.app.refresh();
  };

  by = (sort) => {
    const { query } = place();
    const now = query.get("sort") ?? this.spec.sort ?? "name";
    const isReverse = query.get("sort") ? query.get("reverse") === "true" : Boolean(this.spec.isReverse);
    // Numbers are most interesting from the top, names from the beginning.
    const first = sort === "name" || sort === "vhost" || sort === "user" ? "" : "true";
    replaceQuery({ sort, reverse: sort === now ? (isReverse ? "" : "true") : first, page: "" });
    this.app.refresh();
  };

  turn(page) {
    replaceQuery({ page: page === 1 ? "" : page });
    this.app.refresh();
    scrollTo({ top: 0 });
  }
}

/** Lists that the API does not page come whole. */
function paged(answer) {
  if (!Array.isArray(answer)) return answer;
  return {
    items: answer,
    total_count: answer.length,
    filtered_count: answer.length,
    page: 1,
    page_count: 1,
    page_size: answer.length,
  };
}
