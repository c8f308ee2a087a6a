// One operation of the API, readable: what it takes, what it answers, and a line to try it.
import { copyButton } from "./copying.js";
import { element } from "./element.js";

/** `{method, path, id, summary, tag, parameters, body, answer, errors, isPublic, words}` of each operation. */
export function operationsOf(document, schemas) {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const body = operation.requestBody?.content?.["application/json"]?.schema;
      const answers = Object.entries(operation.responses);
      const good = answers.filter(([status]) => status.startsWith("2"));
      const read = {
        method: method.toUpperCase(),
        path,
        id: operation.operationId,
        summary: operation.summary ?? "",
        tag: operation.tags?.[0] ?? "Other",
        parameters: operation.parameters ?? [],
        body,
        good,
        errors: answers.filter(([status]) => !status.startsWith("2")),
        isPublic: operation.security?.length === 0,
      };
      const names = [...read.parameters.map(({ name }) => name), ...(body ? schemas.fields(body).map((field) => field.path) : [])];
      return { ...read, words: [read.method, path, read.id, read.summary, read.tag, ...names].join(" ").toLowerCase() };
    }),
  );
}

/** A closed `details` that is filled when it is opened. */
export function operationView(operation, schemas) {
  const view = element(
    "details",
    { id: operation.id, class: "card operation" },
    element("summary", {}, method(operation), element("code", {}, operation.path), element("span", {}, operation.summary)),
  );
  view.addEventListener("toggle", () => {
    if (view.open && view.children.length === 1) view.append(bodyOf(operation, schemas));
  });
  return view;
}

/** The method, in its colour. */
export function method(operation) {
  return element("span", { class: "method", dataset: { method: operation.method } }, operation.method);
}

function bodyOf(operation, schemas) {
  const line = curl(operation, schemas);
  const parameters = operation.parameters.map((one) => ({ path: one.name, isNeeded: one.required, ...schemas.describe(one.schema), about: one.description ?? "" }));
  return element(
    "div",
    { class: "operation-body" },
    element("p", { class: "quiet" }, `${operation.id} · `, element("a", { href: `#${operation.id}` }, "link to this"), operation.isPublic ? " · needs no key" : ""),
    element("div", { class: "curl" }, element("code", {}, line), copyButton(() => line, `the curl line of ${operation.id}`)),
    ...table("Parameters", parameters),
    ...table("Body", bodyFields(operation, schemas)),
    ...operation.good.flatMap(([status, answer]) => answerOf(status, answer, schemas)),
    element("h4", {}, "Errors"),
    element("table", {}, element("tbody", {}, ...operation.errors.map(([status, { description }]) => element("tr", {}, element("td", {}, element("code", {}, status)), element("td", {}, description))))),
  );
}

/** Of a change, no defaults: what is not named stays. */
function bodyFields({ body, method: verb }, schemas) {
  const fields = body ? schemas.fields(body) : [];
  return verb === "PATCH" ? fields.map((field) => ({ ...field, fallback: "" })) : fields;
}

function answerOf(status, answer, schemas) {
  const [type, media] = Object.entries(answer.content ?? {})[0] ?? [];
  const title = `Answer ${status}${type && type !== "application/json" ? `, ${type}` : ""}`;
  if (!media) return [element("h4", {}, title), element("p", { class: "quiet" }, "No body.")];
  const fields = schemas.fields(media.schema);
  return fields.length ? table(title, fields) : [element("h4", {}, title), element("p", { class: "quiet" }, schemas.describe(media.schema).type)];
}

function table(title, fields) {
  if (fields.length === 0) return [];
  const heads = ["Field", "Type and rules", "About"].map((text) => element("th", { scope: "col" }, text));
  return [element("h4", {}, title), element("table", { "aria-label": title }, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...fields.map(row)))];
}

function row(field) {
  const rules = [...field.rules];
  if (field.choices.length) rules.push(`one of ${field.choices.map((choice) => JSON.stringify(choice)).join(", ")}`);
  if (field.fallback) rules.push(`default ${field.fallback}`);
  return element(
    "tr",
    {},
    element("td", {}, element("code", {}, field.path), field.isNeeded ? element("span", { class: "needed" }, " required") : null),
    element("td", {}, field.type, rules.length ? element("span", { class: "quiet" }, `; ${rules.join("; ")}`) : null),
    element("td", { class: "quiet" }, field.about),
  );
}

/** A line for a shell: everything that is required, with places to fill in. */
function curl({ method: verb, path, parameters, body, isPublic }, schemas) {
  const needed = parameters.filter((one) => one.in === "query" && one.required).map((one) => `${one.name}=${one.schema.enum?.[0] ?? "VALUE"}`);
  const query = needed.length ? `?${needed.join("&")}` : "";
  const address = `${location.origin}/v2${path.replace(/\{(\w+)\}/g, (_, name) => name.toUpperCase())}${query}`;
  const parts = [`curl -g${verb === "GET" ? "" : ` -X ${verb}`} "${address}"`];
  if (!isPublic) parts.push('-H "Authorization: Bearer $KEY"');
  if (body) parts.push('-H "Content-Type: application/json"', `-d '${JSON.stringify(example(body, schemas))}'`);
  return parts.join(" \\\n  ");
}

/** The smallest body that has what is required. */
function example(schema, schemas) {
  const whole = {};
  for (const field of schemas.fields(schema).filter(({ isNeeded, path }) => isNeeded && !path.includes("."))) {
    whole[field.path] = field.choices[0] ?? (field.type.startsWith("list") ? [] : /number/.test(field.type) ? 1 : field.type === "true or false" ? true : field.path.toUpperCase());
  }
  return whole;
}
