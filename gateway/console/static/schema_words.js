// A JSON schema in words: each field of a body or an answer as a path, a type and its rules.

const DEEPEST = 6;
const RULES = {
  minLength: (value) => (value === 1 ? "not empty" : `${value} characters or more`),
  maxLength: (value) => `${value} characters at most`,
  minimum: (value) => `${value} or more`,
  maximum: (value) => `${value} at most`,
  exclusiveMinimum: (value) => `more than ${value}`,
  multipleOf: (value) => `a multiple of ${value}`,
  minItems: (value) => `${value} item${value === 1 ? "" : "s"} or more`,
  maxItems: (value) => `${value} items at most`,
};
// What a NUL-free text looks like; it is no rule that a reader has to know.
const DULL_PATTERNS = new Set(["^[^\\x00]*$", "^[^\\x00-\\x1f\\x7f]+$"]);

export class Schemas {
  #all;

  constructor(document) {
    this.#all = document.components?.schemas ?? {};
  }

  /** The schema itself, whatever refers to it; keys beside the reference win. */
  resolve(schema = {}) {
    if (!schema.$ref) return schema;
    const { $ref: reference, ...own } = schema;
    return { ...this.resolve(this.#all[reference.split("/").at(-1)]), ...own };
  }

  /** `{path, type, rules, fallback, choices, isNeeded, about}` of every field, those of nested objects below theirs. */
  fields(schema, prefix = "", depth = 0) {
    if (depth > DEEPEST) return [];
    const whole = this.#alternatives(schema);
    const isList = whole.some((one) => one.type === "array");
    const objects = whole.map((one) => (one.type === "array" ? this.#itemsOf(one) : one)).filter((one) => one.properties);
    const start = prefix ? `${prefix}${isList ? "[]" : ""}.` : "";
    // Of alternatives, each one's fields; what not all of them need is not needed.
    const names = [...new Set(objects.flatMap((one) => Object.keys(one.properties)))];
    return names.flatMap((name) => {
      const property = objects.find((one) => one.properties[name]).properties[name];
      const isNeeded = objects.every((one) => (one.required ?? []).includes(name));
      return [{ path: start + name, isNeeded, ...this.describe(property) }, ...this.fields(property, start + name, depth + 1)];
    });
  }

  /** Type, rules, default and choices of one value. */
  describe(schema) {
    const all = this.#alternatives(schema);
    const kinds = all.map((one) => this.#kind(one));
    const rules = all.flatMap((one) => rulesOf(one.type === "array" ? { ...one, ...patternOf(this.#itemsOf(one)) } : one));
    const choices = all.flatMap((one) => choicesOf(one) ?? choicesOf(this.#itemsOf(one)) ?? []);
    const resolved = this.resolve(schema);
    const isPlain = resolved.default !== undefined && !(resolved.default !== null && typeof resolved.default === "object" && all.some((one) => one.properties));
    return { type: [...new Set(kinds)].join(" or "), rules, choices, fallback: isPlain ? JSON.stringify(resolved.default) : "", about: resolved.description ?? "" };
  }

  #kind(schema) {
    if (schema.type === "array") return `list of ${this.describe(schema.items ?? {}).type || "anything"}`;
    const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type;
    if (schema.format === "date-time") return "time";
    return { string: "text", integer: "whole number", number: "number", boolean: "true or false", object: "object", null: "null" }[type] ?? type ?? (choicesOf(schema) ? "text" : "anything");
  }

  #alternatives(schema) {
    const resolved = this.resolve(schema);
    const several = resolved.anyOf ?? resolved.oneOf;
    return several ? several.flatMap((one) => this.#alternatives(one)) : [resolved];
  }

  #itemsOf(schema) {
    return this.#alternatives(schema.items ?? {})[0];
  }
}

function rulesOf(schema) {
  const rules = Object.entries(RULES).filter(([key]) => schema[key] !== undefined).map(([key, words]) => words(schema[key]));
  if (schema.pattern && !DULL_PATTERNS.has(schema.pattern)) rules.push(`fits ${schema.pattern}`);
  return rules;
}

function choicesOf(schema) {
  return schema?.enum ?? (schema?.const === undefined ? undefined : [schema.const]);
}

/** Of a list's items the pattern is a rule worth telling; lengths would read as the list's own. */
function patternOf({ pattern }) {
  return pattern ? { pattern } : {};
}
