// The lab's magic numbers, one press to dial each.
import { byId, element } from "./element.js";

export function showNumbers(numbers, dial) {
  const available = numbers.filter((entry) => entry.is_available !== false);
  byId("numbers-card").hidden = available.length === 0;
  byId("numbers").replaceChildren(
    ...available.map((entry) =>
      element(
        "li",
        {},
        element(
          "button",
          { type: "button", class: "magic", title: `Dial ${entry.number}`, onclick: () => dial(entry.number) },
          element("b", {}, entry.number),
          element("span", {}, entry.description),
        ),
      ),
    ),
  );
}
