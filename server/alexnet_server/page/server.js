// Requests to the server, and what it refuses put into words.

import * as key from "./key.js";

const SMALLER = "Make the picture smaller, then choose it again.";
const WHAT_TO_DO = {
  unsupported_format: "Save it as JPEG, PNG or WEBP first (a phone's HEIC: export it as JPEG).",
  undecodable_picture: "Open it in a picture program and save it again, or choose another one.",
  empty_picture: "Choose another file.",
  picture_too_large: SMALLER,
  request_too_large: SMALLER,
  picture_not_found: "It may have been deleted. Choose a picture to start again.",
  key_missing: "Whoever runs this server can give you one.",
  forbidden: "Use a key that may write, or ask whoever runs this server for one.",
};
// Where the server's own words are for programs.
const PLAIN = {
  key_missing: "Without one, this server shows nothing.",
  forbidden: "The key in use may classify and search, but not change the index.",
};

/** What went wrong, for a person; `mayRepeat`: the same request may succeed later. */
export class Refusal extends Error {
  constructor(title, detail, advice, mayRepeat = false, code = "") {
    super(title);
    Object.assign(this, { title, detail, advice, mayRepeat, code });
  }
}

/** The server's JSON answer; throws Refusal, or AbortError once `signal` is aborted. */
export async function ask(path, options = {}) {
  const { reply, text, answer } = await allowed(path, options);
  if (reply.ok && answer) return answer;
  throw refusal(reply, answer ?? {}, text);
}

/** The server's answer as it is; throws as `ask` does. */
export async function askForBlob(path, options) {
  const { reply, blob, text, answer } = await allowed(path, options);
  if (reply.ok) return blob;
  throw refusal(reply, answer ?? {}, text);
}

// Sends again for as long as the server wants a key and another one is given.
async function allowed(path, options) {
  for (;;) {
    const sent = key.held();
    const received = await exchange(path, options);
    if (received.answer?.code !== "key_missing") return received;
    const why = sent === null ? "Enter one that you were given." : "It does not know this key.";
    if (key.held() === sent && !(await key.wanted(why))) return received;
  }
}

async function exchange(path, options) {
  let reply, blob;
  try {
    reply = await fetch(path, { ...options, headers: key.headers() });
    blob = await reply.blob();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    const advice = "Is it still running (make serve)? It also hangs up on a file far too large.";
    throw new Refusal("No answer", `${location.host} does not answer.`, advice, true);
  }
  if (blob.type === "image/jpeg") return { reply, blob, text: "", answer: null };
  const text = await blob.text();
  try {
    return { reply, blob, text, answer: JSON.parse(text) };
  } catch {
    // The words of a proxy or of the HTTP layer: shown as they are.
    return { reply, blob, text, answer: null };
  }
}

function refusal({ status, statusText, headers }, answer, text) {
  const code = answer.code ?? { 413: "request_too_large" }[status];
  const title = answer.title ?? `The server answered ${status} ${statusText}`;
  const detail = PLAIN[code] ?? answer.detail ?? text.trim().slice(0, 500);
  if (status < 500 && status !== 429) {
    return new Refusal(title, detail, WHAT_TO_DO[code] ?? "", code === "key_missing", code);
  }
  const request = headers.get("X-Request-Id") ?? "unknown";
  return new Refusal(title, detail, `If trying again does not help: request ${request}.`, true);
}
