// A table of the API's rows, page by page, that keeps focus and open rows when it is read anew.
import { element, setText } from "./element.js";
import { attempt } from "./notices.js";

export class PagedList {
  #parts;
  #items = [];
  #pages = 0;
  #meta = { total_pages: 0, total_results: 0 };
  #turn = 0;

  /**
   * `load(number)` gives a page `{data, meta}`, `row(item)` its table rows, the first with `dataset.id`.
   * `body`, `empty`, `more` are the table's body, the text for no rows and the button for the next page;
   * `words` names the rows: `connections`.
   */
  constructor(parts) {
    this.#parts = parts;
    parts.more.onclick = () => this.#next();
  }

  /** Reads anew as many pages as are shown. */
  async refresh() {
    await this.#read(1, Math.max(1, this.#pages));
  }

  /** Begins with the first page: the question has changed. */
  async restart() {
    await this.#read(1, 1);
  }

  /** Makes the rows anew of what is known: one is open now that was not. */
  redraw() {
    this.#render();
  }

  async #next() {
    const before = this.#items.length;
    await this.#read(this.#pages + 1, this.#pages + 1);
    const added = this.#items[before];
    if (added) this.#find(added.id)?.querySelector("button, select")?.focus();
  }

  async #read(first, last) {
    this.#turn += 1;
    const turn = this.#turn;
    const items = new Map(first === 1 ? [] : this.#items.map((item) => [item.id, item]));
    const found = await attempt(`The ${this.#parts.words} could not be loaded`, async () => {
      for (let number = first; ; number += 1) {
        const page = await this.#parts.load(number);
        page.data.forEach((item) => items.set(item.id, item));
        if (number >= Math.min(last, page.meta.total_pages)) return { number, ...page.meta };
      }
    });
    if (!found || turn !== this.#turn) return; // refused, or asked again meanwhile
    this.#items = [...items.values()];
    this.#pages = found.number;
    this.#meta = found;
    this.#render();
  }

  #render() {
    const { total_pages: pages, total_results: total } = this.#meta;
    const { body, empty, more, row, words } = this.#parts;
    const held = holdFocus(body);
    body.replaceChildren(...this.#items.flatMap((item) => row(item)));
    empty.hidden = this.#items.length > 0;
    more.hidden = this.#pages >= pages;
    setText(more, `Show more ${words} (${this.#items.length} of ${total} shown)`);
    held((id) => this.#find(id));
  }

  #find(id) {
    return [...this.#parts.body.children].find((row) => row.dataset.id === id);
  }
}

/** Remembers which button of which row has the focus; the returned function gives it back to its successor. */
function holdFocus(body) {
  const active = document.activeElement;
  const row = body.contains(active) ? active.closest("tr[data-id]") : null;
  const { action } = active?.dataset ?? {};
  return (find) => {
    if (row && action && !body.contains(document.activeElement)) find(row.dataset.id)?.querySelector(`[data-action="${action}"]`)?.focus();
  };
}

/** A cell; `label` names it where a narrow window has no head of columns. */
export function cell(label, ...children) {
  return element("td", { dataset: { label } }, ...children);
}

/** A button in a row. `action` is how it is found again when the row is made anew. */
export function rowButton(action, text, label, onclick) {
  return element("button", { type: "button", class: "soft tiny", dataset: { action }, "aria-label": label, onclick }, text);
}
