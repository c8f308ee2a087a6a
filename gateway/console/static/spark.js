// A small graph of some figures over the last minutes. Where nothing is known the line has a hole.
import { element, setText } from "./element.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300;
const HEIGHT = 44;
// Seconds: what a graph shows at least, at most, and between two points of one line.
const SHORTEST = 60;
const LONGEST = 300;
const HOLE = 6;

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

export class Spark {
  #lines;
  #limit;
  #values;
  #options;

  /**
   * `name` is its caption; `lines` are class names of its lines; `low` and `high` are the ends of its scale, which
   * grows upwards with the values if `grows`; `limit` is worth a line of its own; `show(value)` is a value in words.
   */
  constructor({ name, lines, low, high, grows = false, limit = null, show }) {
    this.#options = { name, lines, low, high, grows, limit, show };
    this.#limit = svg("line", { class: "limit", x1: 0, x2: WIDTH });
    this.#lines = lines.map((line) => svg("path", { class: line }));
    this.#values = lines.map((line) => element("b", { class: line }));
    this.drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    this.drawing.append(this.#limit, ...this.#lines);
    const caption = element("figcaption", {}, element("span", {}, name), element("span", { class: "values" }, this.#values));
    this.element = element("figure", { class: "spark", dataset: { figure: name } }, caption, this.drawing);
  }

  /** `points` are [seconds, ...value of each line or null], oldest first. */
  draw(points) {
    const { name, lines, low, grows, limit, show } = this.#options;
    const known = points.flatMap((point) => point.slice(1)).filter((value) => value !== null);
    const high = grows ? Math.max(this.#options.high, ...known) : this.#options.high;
    const end = points.at(-1)?.[0] ?? 0;
    const span = Math.min(LONGEST, Math.max(SHORTEST, end - (points[0]?.[0] ?? 0)));
    const x = (at) => (WIDTH * (at - end + span)) / span;
    const y = (value) => HEIGHT - 2 - (HEIGHT - 4) * Math.min(1, Math.max(0, (value - low) / (high - low)));
    const hasLimit = limit !== null && limit <= high;
    this.#limit.setAttribute("visibility", hasLimit ? "visible" : "hidden");
    if (hasLimit) for (const side of ["y1", "y2"]) this.#limit.setAttribute(side, y(limit).toFixed(1));
    const words = lines.map((_, index) => {
      this.#lines[index].setAttribute("d", path(points, index + 1, x, y));
      const last = points.at(-1)?.[index + 1] ?? null;
      return last === null ? "–" : show(last);
    });
    words.forEach((word, index) => setText(this.#values[index], word));
    this.drawing.setAttribute("aria-label", `${name}: ${words.join(", ")}`);
    this.element.dataset.empty = String(known.length === 0);
  }
}

function path(points, index, x, y) {
  let drawn = "";
  let before = null;
  for (const point of points) {
    const value = point[index];
    if (value === null) {
      before = null;
      continue;
    }
    const place = `${x(point[0]).toFixed(1)} ${y(value).toFixed(1)}`;
    // A lone point is a line of no length, which a round cap makes a dot.
    drawn += before === null || point[0] - before > HOLE ? `M${place}L${place}` : `L${place}`;
    before = point[0];
  }
  return drawn;
}
