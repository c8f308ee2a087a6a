// The readable page of the API, made of the gateway's own OpenAPI document.
import { byId, element, setText } from "./element.js";
import { notice } from "./notices.js";
import { method, operationsOf, operationView } from "./operation_view.js";
import { Schemas } from "./schema_words.js";

/** What is on the page: groups by their tag, each with the nodes that a search hides. */
const shown = [];

start();

async function start() {
  let described;
  try {
    const response = await fetch("/v2/openapi.json");
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    described = await response.json();
  } catch (error) {
    notice({ title: "The API's description could not be loaded", advice: `Is the gateway running? ${error.message}` });
    return;
  }
  render(described);
  byId("search").addEventListener("input", search);
  addEventListener("hashchange", openNamed);
  search();
  openNamed();
}

function render(described) {
  const schemas = new Schemas(described);
  const operations = operationsOf(described, schemas);
  setText(byId("version"), described.info.version);
  setText(byId("api-about"), described.info.description);
  for (const tag of new Set(operations.map((operation) => operation.tag))) {
    const members = operations
      .filter((operation) => operation.tag === tag)
      .map((operation) => ({ operation, view: operationView(operation, schemas), link: element("li", {}, element("a", { href: `#${operation.id}`, title: operation.summary }, method(operation), operation.path)) }));
    const contents = element("div", {}, element("h3", {}, tag), element("ul", {}, ...members.map(({ link }) => link)));
    const heading = element("h3", { class: "group" }, tag);
    byId("contents").append(contents);
    byId("operations").append(heading, ...members.map(({ view }) => view));
    shown.push({ members, nodes: [contents, heading] });
  }
}

function search() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const { members, nodes } of shown) {
    const found = members.filter(({ operation, view, link }) => {
      const fits = words.every((word) => operation.words.includes(word));
      view.hidden = !fits;
      link.hidden = !fits;
      return fits;
    });
    count += found.length;
    nodes.forEach((node) => (node.hidden = found.length === 0));
  }
  setText(byId("found"), count ? `${count} operation${count === 1 ? "" : "s"}` : "No operation has all of these words.");
}

/** `#operationId` opens that operation, wherever the link came from. */
function openNamed() {
  const id = decodeURIComponent(location.hash.slice(1));
  const member = shown.flatMap(({ members }) => members).find(({ operation }) => operation.id === id);
  if (!member) return;
  if (member.view.hidden) {
    byId("search").value = "";
    search();
  }
  document.querySelectorAll(".contents [aria-current]").forEach((link) => link.removeAttribute("aria-current"));
  member.link.firstChild.setAttribute("aria-current", "true");
  member.view.open = true;
  member.view.scrollIntoView();
  member.view.querySelector("summary").focus({ preventScroll: true });
}
