// A line for the shell that calls an operation of this very server.

import { resolve } from "./schema.js";

const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** `curl ...`; a picture is called picture.jpg, and lies where the line is typed. */
export function curl(reference, method, path, operation) {
  const words = ["curl", ...verb(method, operation), ...payload(operation), ...output(operation)];
  const filled = path.replace(/{(\w+)}/g, (_, name) => {
    return resolve(reference, { $ref: `#/components/parameters/${name}` }).example;
  });
  return [...words, `${location.origin}${filled}${query(reference, operation)}`]
    .map(quoted)
    .join(" ");
}

/** The parameters that must be there, with their examples. */
function query(reference, { parameters = [] }) {
  const needed = parameters.map((one) => resolve(reference, one)).filter((one) => one.required);
  const said = new URLSearchParams(needed.map(({ name, example }) => [name, example])).toString();
  return said && `?${said}`;
}

function verb(method, { requestBody }) {
  const usual = requestBody ? "post" : "get";
  return method === usual ? [] : ["-X", method.toUpperCase()];
}

function payload({ requestBody }) {
  const content = requestBody?.content ?? {};
  if (content["multipart/form-data"]) return ["-F", "image=@picture.jpg"];
  const json = content["application/json"];
  if (!json) return [];
  return ["-H", "Content-Type: application/json", "-d", JSON.stringify(json.example)];
}

function output({ responses }) {
  const kinds = Object.keys(responses["200"]?.content ?? {});
  return kinds.includes("image/jpeg") ? ["-o", "thumbnail.jpg"] : [];
}
