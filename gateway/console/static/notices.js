// Problems in words, with what to do about them. They stay until they are closed or come again.
import { ApiError } from "./api.js";
import { byId, element } from "./element.js";

const MOST = 3;

export function notice({ title, advice = "" }) {
  const list = byId("notices");
  [...list.children].find((shown) => shown.dataset.title === title)?.remove();
  const made = element(
    "div",
    { class: "notice", dataset: { title } },
    element("div", {}, element("b", {}, title), advice ? element("p", {}, advice) : null),
    element("button", { type: "button", class: "plain icon", "aria-label": "Close", onclick: () => made.remove() }, "×"),
  );
  list.append(made);
  while (list.children.length > MOST) list.firstChild.remove();
}

export function clearNotices() {
  byId("notices").replaceChildren();
}

/** Runs `work`; when the API refuses, says so under `title`. Gives undefined then. */
export async function attempt(title, work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status !== 401) notice({ title, advice: error.message });
    return undefined;
  }
}
