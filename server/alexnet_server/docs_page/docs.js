// The reference, made from openapi.json. Everything is put in as text, never as HTML.

import { element, table } from "./element.js";
import { operationSection } from "./operation.js";

const part = (id) => document.getElementById(id);
const METHODS = ["get", "put", "post", "delete", "patch"];

/** Every operation, those of a tag together: `{ method, path, item, operation }`. */
function operationsOf({ paths, tags }) {
  const all = Object.entries(paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => {
      return { method, path, item, operation: item[method] };
    }),
  );
  return tags.flatMap(({ name }) => all.filter(({ operation }) => operation.tags.includes(name)));
}

function contents(operations, tags) {
  const groups = tags.map((tag) => {
    const links = operations
      .filter(({ operation }) => operation.tags.includes(tag.name))
      .map(({ method, path, operation }) => {
        const link = element("a", `${method.toUpperCase()} ${path}`);
        link.href = `#${operation.operationId}`;
        return element("li", link, element("span", operation.summary));
      });
    return [element("h2", tag.description), element("ul", ...links)];
  });
  const errors = element("a", "Every error code");
  errors.href = "#errors";
  return [...groups.flat(), element("p", errors)];
}

function errors({ components }) {
  const meanings = components.schemas.Problem.properties.code["x-meanings"];
  const rows = Object.entries(meanings).map(([code, said]) => {
    const name = element("code", code);
    name.id = `error-${code}`;
    return [name, String(said.status), said.when, said.do];
  });
  const section = element(
    "section",
    element("h2", "Every error code"),
    element("p", "The body of an error is application/problem+json (RFC 9457)."),
    table(["code", "status", "when", "what to do"], rows),
  );
  section.id = "errors";
  return section;
}

/** Copy the line of `button`, or select it where the browser lets no page copy. */
async function copy(button) {
  const line = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(line.textContent);
    part("status").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(line);
    part("status").textContent = "Selected: press Ctrl+C to copy it.";
  }
}

async function show() {
  const reply = await fetch("openapi.json");
  if (!reply.ok) throw new Error(`The server answered ${reply.status} ${reply.statusText}.`);
  const reference = await reply.json();
  const operations = operationsOf(reference);
  part("version").textContent = reference.info.version;
  part("about").textContent = reference.info.description;
  part("contents").replaceChildren(...contents(operations, reference.tags));
  part("reference").replaceChildren(
    ...operations.map((one) => operationSection(reference, one)),
    errors(reference),
  );
  part("reference").addEventListener("click", ({ target }) => {
    if (target.matches("button.copy")) copy(target);
  });
  if (location.hash) document.querySelector(location.hash)?.scrollIntoView();
}

show().catch((error) => {
  part("about").textContent = "";
  part("error").textContent = `The reference could not be shown. ${error.message}`;
});
