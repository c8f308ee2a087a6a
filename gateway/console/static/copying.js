// Secrets that are shown on demand, and buttons that copy.
import { byId, element, setText } from "./element.js";
import { notice } from "./notices.js";

const COPIED_MS = 1500;
const HIDDEN = "••••••••";

/** A button that copies what `text()` gives; `what` is for those who do not see where it stands. */
export function copyButton(text, what) {
  const button = element("button", { type: "button", class: "soft tiny", "aria-label": `Copy ${what}`, onclick: () => copy(button, text()) }, "Copy");
  return button;
}

/** A secret behind dots, with a button that shows it and one that copies it. */
export function secret(text, what) {
  const shown = element("code", { class: "secret" }, HIDDEN);
  const toggle = element("button", { type: "button", class: "soft tiny", "aria-label": `Show ${what}`, "aria-pressed": "false" }, "Show");
  toggle.addEventListener("click", () => {
    const isShown = toggle.getAttribute("aria-pressed") !== "true";
    toggle.setAttribute("aria-pressed", String(isShown));
    toggle.setAttribute("aria-label", `${isShown ? "Hide" : "Show"} ${what}`);
    setText(toggle, isShown ? "Hide" : "Show");
    setText(shown, isShown ? text : HIDDEN);
  });
  return element("span", { class: "copyable" }, shown, toggle, copyButton(() => text, what));
}

/** A text that is often wanted elsewhere. */
export function copyable(text, what) {
  return element("span", { class: "copyable" }, element("code", {}, text), copyButton(() => text, what));
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    notice({ title: "The browser does not allow copying here", advice: "It does on https and on localhost." });
    return;
  }
  setText(byId("announce"), "Copied");
  setText(button, "Copied");
  setTimeout(() => {
    setText(button, "Copy");
    setText(byId("announce"), "");
  }, COPIED_MS);
}
