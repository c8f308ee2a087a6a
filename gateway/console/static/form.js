// Dialogs that change something: a form whose fields know their place in the API's body, and a question before harm.
import { ApiError } from "./api.js";
import { element, setText } from "./element.js";

let made = 0;

/**
 * Opens a dialog with `fields` and gives what `send(body)` gave, or undefined if it was cancelled.
 *
 * A field is `{pointer, label, kind, hint, choices, needed}`; `pointer` (RFC 6901) says where its value stands in the
 * body and in `values`, and which of the API's errors belong to it. `kind` is one of the keys of `KINDS`.
 * With `isChange`, only what differs from `values` is sent.
 */
export function openForm({ title, about = "", fields, values = {}, submit, isChange = false, send }) {
  return new Promise((resolve) => {
    const rows = fields.map((field) => makeRow(field, at(values, field.pointer)));
    const problem = element("p", { class: "error", role: "alert" });
    const save = element("button", { type: "submit", class: "primary" }, submit);
    const heading = element("h2", { id: `form-${(made += 1)}` }, title);
    const form = element(
      "form",
      { method: "dialog", noValidate: true, autocomplete: "off" },
      heading,
      about ? element("p", { class: "quiet" }, about) : null,
      ...rows.map((row) => row.node),
      problem,
      element("div", { class: "actions" }, element("button", { type: "button", class: "plain", onclick: () => dialog.close() }, "Cancel"), save),
    );
    const dialog = element("dialog", { class: "editor", "aria-labelledby": heading.id }, form);
    let result;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (save.disabled) return;
      save.disabled = true;
      rows.forEach((row) => row.say(""));
      setText(problem, "");
      try {
        result = await send(bodyOf(rows, isChange));
        dialog.close();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        showErrors(error, rows, problem);
      } finally {
        save.disabled = false;
      }
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Asks before something is lost; gives whether to go on. The harmless answer has the focus. */
export function confirmed({ title, about, action }) {
  return new Promise((resolve) => {
    const heading = element("h2", { id: `form-${(made += 1)}` }, title);
    const words = element("p", { id: `${heading.id}-about` }, about);
    const form = element(
      "form",
      { method: "dialog" },
      heading,
      words,
      element("div", { class: "actions" }, element("button", { type: "submit", class: "soft", value: "no", autofocus: true }, "Keep"), element("button", { type: "submit", class: "stop", value: "yes" }, action)),
    );
    const dialog = element("dialog", { role: "alertdialog", "aria-labelledby": heading.id, "aria-describedby": words.id }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

const text = (input) => input.value.trim();
/** A number, or the text that is none: the API says what it wants. */
const number = (input) => (text(input) === "" ? null : Number.isFinite(Number(text(input))) ? Number(text(input)) : text(input));
const words = (input) => input.value.split(/[\s,;]+/).filter(Boolean).map((word) => word.toUpperCase());

/** How each kind of field is made, filled and read; `undefined` is not sent. */
const KINDS = {
  text: { make: () => plain({}), fill: (input, value) => (input.value = value ?? ""), read: text },
  optional: { make: () => plain({}), fill: (input, value) => (input.value = value ?? ""), read: (input) => text(input) || undefined },
  password: { make: () => plain({ className: "code" }), fill: (input, value) => (input.value = value ?? ""), read: (input) => input.value },
  number: { make: () => plain({ inputMode: "decimal" }), fill: (input, value) => (input.value = value ?? ""), read: number },
  words: { make: () => plain({}), fill: (input, value) => (input.value = (value ?? []).join(" ")), read: words },
  time: {
    make: () => element("input", { type: "datetime-local" }),
    fill: () => {},
    // Half of a time reads as none; sent as it is called, the API says at the field what it wants.
    read: (input) => (input.validity.badInput ? "incomplete" : input.value ? new Date(input.value).toISOString() : undefined),
  },
  check: { make: () => element("input", { type: "checkbox" }), fill: (input, value) => (input.checked = Boolean(value)), read: (input) => input.checked },
  id: { make: () => plain({}), fill: (input, value) => (input.value = value ?? ""), read: (input) => text(input) || null },
  // As many choices as an inventory has: typed and narrowed down. A native list, so that it is used like any other.
  offer: {
    make: ({ choices }) => {
      const list = element("datalist", { id: `list-${(made += 1)}` }, ...choices.map(([value, words]) => element("option", { value }, words)));
      const input = plain({});
      input.setAttribute("list", list.id);
      input.beside = list;
      return input;
    },
    fill: () => {},
    read: text,
  },
  choice: {
    make: ({ choices }) => element("select", {}, ...choices.map(([value, words]) => element("option", { value }, words))),
    fill: (input, value) => (input.value = value ?? ""),
    read: (input) => input.value || null,
  },
};

function plain(properties) {
  return element("input", { type: "text", spellcheck: false, autocapitalize: "off", autocomplete: "off", ...properties });
}

function makeRow(field, value) {
  const kind = KINDS[field.kind];
  const input = kind.make(field);
  input.id = `field-${(made += 1)}`;
  input.name = field.pointer;
  kind.fill(input, value);
  const problem = element("p", { id: `${input.id}-error`, class: "error" });
  const hint = field.hint ? element("p", { id: `${input.id}-hint`, class: "quiet" }, field.hint) : null;
  input.setAttribute("aria-describedby", [hint?.id, problem.id].filter(Boolean).join(" "));
  if (field.needed) input.setAttribute("aria-required", "true");
  const label = element("label", { htmlFor: input.id }, field.label);
  const head = field.kind === "check" ? element("div", { class: "check" }, input, label) : [label, input, input.beside];
  return {
    field,
    input,
    initial: JSON.stringify(kind.read(input)),
    read: () => kind.read(input),
    node: element("div", { class: "form-row" }, head, hint, problem),
    say(words) {
      setText(problem, words);
      if (words) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    },
  };
}

function bodyOf(rows, isChange) {
  const body = {};
  for (const row of rows) {
    const value = row.read();
    if (value === undefined || (isChange && JSON.stringify(value) === row.initial)) continue;
    const keys = row.field.pointer.slice(1).split("/");
    const last = keys.pop();
    const place = keys.reduce((below, key) => (below[key] ??= {}), body);
    place[last] = value;
  }
  return body;
}

/** Each error at the field that its pointer names or leads into; the others below all fields. */
function showErrors(error, rows, problem) {
  const rest = [];
  const byRow = new Map();
  for (const one of error.errors) {
    const pointer = one.source?.pointer ?? "";
    const row = rows.find(({ field }) => pointer === field.pointer || pointer.startsWith(`${field.pointer}/`));
    if (row) byRow.set(row, [...(byRow.get(row) ?? []), one.detail]);
    else rest.push(pointer.length > 1 ? `${pointer.slice(1)}: ${one.detail}` : one.detail);
  }
  if (error.errors.length === 0) rest.push(error.message);
  byRow.forEach((details, row) => row.say(sentence(details.join("; "))));
  setText(problem, rest.map(sentence).join(" "));
  [...rows].find((row) => byRow.has(row))?.input.focus();
}

function sentence(words) {
  return `${words[0].toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;
}

function at(values, pointer) {
  return pointer.slice(1).split("/").reduce((value, key) => value?.[key], values);
}
