// Makes DOM elements; text only ever becomes text.

export const byId = (id) => document.getElementById(id);

/** An element with properties (`class`, `dataset` and `aria-*` included) and children: elements, text, or nothing. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "class") made.className = value;
    else if (name === "dataset") Object.assign(made.dataset, value);
    else if (name.includes("-") || name === "role" || name === "scope" || name === "colspan") made.setAttribute(name, value);
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

/** Sets text only when it differs, so that screen readers are not told the same again. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
