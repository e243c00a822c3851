// JSON Schema put into words, as far as openapi.json uses it.

/** `node`, or what its $ref points to; what stands beside the $ref wins. */
export function resolve(reference, node) {
  if (!node.$ref) return node;
  const path = node.$ref.slice(2).split("/");
  const target = path.reduce((at, key) => at[key], reference);
  const { $ref, ...beside } = node;
  return { ...resolve(reference, target), ...beside };
}

/** The fields of an object, or of each of several it may be: name, said, isNeeded, description. */
export function fieldsOf(reference, node) {
  const schema = resolve(reference, node);
  if (schema.oneOf) return schema.oneOf.flatMap((one) => fieldsOf(reference, one));
  return Object.entries(schema.properties ?? {}).map(([name, one]) => ({
    name,
    said: inWords(reference, one),
    isNeeded: schema.required?.includes(name) ?? false,
    description: resolve(reference, one).description ?? "",
  }));
}

/** What a value of `node` may be, in a few words. */
export function inWords(reference, node) {
  const schema = resolve(reference, node);
  if (schema.title) return schema.title;
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" or ");
  if (schema.oneOf) return schema.oneOf.map((one) => inWords(reference, one)).join(" or ");
  if (schema.type === "array") return list(reference, schema);
  if (schema.type === "string") return text(schema);
  if (schema.type === "object") return node.$ref ? node.$ref.split("/").at(-1) : "an object";
  return [schema.type].flat().join(" or ") + range(schema.minimum, schema.maximum);
}

function list(reference, { items, minItems, maxItems }) {
  return `a list of${range(minItems, maxItems)} ${inWords(reference, items)}`;
}

function text({ contentMediaType, pattern, minLength, maxLength, format }) {
  if (contentMediaType === "application/octet-stream") return "a picture's bytes";
  if (contentMediaType) return `${contentMediaType}${upTo(maxLength, "bytes")}`;
  if (format) return format;
  if (pattern) return `text like ${pattern}`;
  const least = minLength ? `, ${minLength} characters at least` : "";
  return `text${upTo(maxLength, "characters")}${least}`;
}

const upTo = (most, unit) => (most ? `, ${most.toLocaleString("en")} ${unit} at most` : "");

function range(least, most) {
  if (least === undefined && most === undefined) return "";
  if (least === most) return ` ${least}`;
  if (most === undefined || most > Number.MAX_SAFE_INTEGER) return `, ${least} or more`;
  return ` ${least ?? "…"} to ${most.toLocaleString("en")}`;
}
