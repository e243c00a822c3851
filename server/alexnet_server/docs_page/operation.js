// One operation: what to send, what comes back, and a line to try it with.

import { curl } from "./curl.js";
import { element, table } from "./element.js";
import { fieldsOf, inWords, resolve } from "./schema.js";

const PROBLEM = "application/problem+json";

export function operationSection(reference, { method, path, item, operation }) {
  const title = element("h2", element("span", method.toUpperCase()), " ", element("code", path));
  const given = [...(item.parameters ?? []), ...(operation.parameters ?? [])];
  const section = element(
    "section",
    title,
    element("p", operation.summary),
    call(curl(reference, method, path, operation)),
    ...parameters(given.map((one) => resolve(reference, one)), reference),
    ...body(reference, operation.requestBody),
    ...answers(reference, operation.responses),
  );
  section.id = operation.operationId;
  title.id = `${operation.operationId}-title`;
  section.setAttribute("aria-labelledby", title.id);
  return section;
}

function call(line) {
  const button = element("button", "Copy");
  button.className = "copy";
  button.type = "button";
  button.ariaLabel = `Copy: ${line}`;
  const frame = element("div", element("pre", element("code", line)), button);
  frame.className = "call";
  return frame;
}

function parameters(given, reference) {
  if (!given.length) return [];
  const rows = given.map((one) => [
    element("code", one.name),
    one.in,
    inWords(reference, one.schema),
    "default" in one.schema ? String(one.schema.default) : one.required ? "needed" : "",
    one.description ?? "",
  ]);
  const heads = ["parameter", "in", "values", "default", "meaning"];
  return [element("h3", "Parameters"), table(heads, rows)];
}

function body(reference, requestBody) {
  if (!requestBody) return [];
  const shown = Object.entries(requestBody.content).flatMap(([kind, { schema }]) => [
    element("p", element("code", kind === "*/*" ? "any other Content-Type" : kind)),
    content(reference, schema),
  ]);
  const said = requestBody.description ? [element("p", requestBody.description)] : [];
  return [element("h3", "Body"), ...said, ...shown];
}

/** What a body of `schema` holds: a table of its fields, or a sentence. */
function content(reference, schema) {
  const rows = fieldsOf(reference, schema).map(({ name, said, isNeeded, description }) => [
    element("code", name),
    said,
    isNeeded ? "yes" : "",
    description,
  ]);
  if (!rows.length) return element("p", inWords(reference, schema));
  const { description = "" } = resolve(reference, schema);
  const heads = ["field", "values", "needed", "meaning"];
  return element("div", element("p", description), table(heads, rows));
}

function answers(reference, responses) {
  const described = Object.entries(responses).map(([status, one]) => {
    return { status, ...resolve(reference, one) };
  });
  const rows = described.map(({ status, description, content: kinds = {}, headers = {} }) => [
    element("code", status),
    description,
    codes(kinds[PROBLEM]?.schema) ?? Object.keys(kinds).join(", "),
    Object.keys(headers).join(", "),
  ]);
  const good = described.filter(({ status }) => status < "300");
  const bodies = good.flatMap(({ status, content: kinds = {} }) =>
    Object.entries(kinds).map(([kind, one]) => details(reference, status, kind, one)),
  );
  const heads = ["status", "when", "body or error code", "headers"];
  return [element("h3", "Answers"), table(heads, rows), ...bodies];
}

function details(reference, status, kind, { schema, example }) {
  const shown = example
    ? element("pre", element("code", JSON.stringify(example, null, 2)))
    : "";
  return element(
    "details",
    element("summary", `What a ${status} holds (${kind})`),
    content(reference, schema),
    shown,
  );
}

/** The codes of an error as links to their meanings; null where it is no error. */
function codes(schema) {
  if (!schema) return null;
  const links = schema.properties.code.enum.flatMap((code) => {
    const link = element("a", code);
    link.href = `#error-${code}`;
    return [link, " "];
  });
  return element("span", ...links);
}
