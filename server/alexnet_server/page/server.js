// Requests to the server, and what it refuses put into words.

import { duration } from "./element.js";
import * as key from "./key.js";

const SMALLER = "Make the picture smaller, then choose it again.";
const WHAT_TO_DO = {
  unsupported_format: "Save it as JPEG, PNG or WEBP in a picture program, or take a screenshot.",
  undecodable_picture: "Open it in a picture program and save it again, or choose another one.",
  empty_picture: "Choose another file.",
  picture_too_large: SMALLER,
  request_too_large: SMALLER,
  picture_not_found: "It may have been deleted. Choose a picture to start again.",
  key_missing: "Whoever runs this server can give you one.",
  forbidden: "Use a key that may write, or ask whoever runs this server for one.",
  foreign_host: "Open this page under the server's own address, which it shows when it starts.",
  foreign_origin: "Open this page under the server's own address, which it shows when it starts.",
  bad_metadata: "Use a label of at most 256 characters, without tabs and the like.",
  bad_parameter: "Use a label of at most 256 characters; load this page again if it is old.",
  header_too_large: "Forget the key below and enter it again, as it was made.",
  index_in_use: "Wait until that program has ended, or ask whoever runs this server to end it.",
  index_mismatch: "Ask whoever runs this server to start it with another --index.",
  storage_failed: "Nothing was changed. Whoever runs this server can free its disk and restart it.",
  bad_model_output: "Ask whoever runs this server to deploy another model.",
  no_answer: "Is it still running (make serve)? It also hangs up on a file far too large.",
};
// Where the server's own words are for programs.
const PLAIN = {
  key_missing: "Without one, this server shows nothing.",
  forbidden: "The key in use may classify and search, but not change the index.",
  overloaded: "The server is answering as much as it can at a time.",
  deadline_exceeded: "The answer was not there within the time that the server takes for one.",
  shutting_down: "It answers what it has, and takes no more.",
  backend_unavailable: "The program that runs the model is away or still starting.",
  backend_failed: "The program that runs the model had the picture and failed.",
  bad_model_output: "What it gave are no numbers that say anything.",
  not_ready: "The program that runs the model is away or still starting.",
  too_many_requests: "More was asked of it than it allows at a time.",
};
// Of a request that this page should never send.
const RELOAD = "Load this page again: it may be older than the server.";
// What a proxy or the HTTP layer refuses carries no code.
const BELOW = { 413: "request_too_large", 429: "too_many_requests" };
const LATER = ["key_missing", "index_in_use"]; // 4xx that may end without another request
const RETRY_AFTER_S = 1; // where nobody says

/**
 * What went wrong, for a person. `mayRepeat`: the same request may succeed later; `retryAfterS`:
 * it surely may, after so many seconds, and can be sent again unasked; else null.
 */
export class Refusal extends Error {
  constructor(title, detail, advice, mayRepeat = false, code = "", retryAfterS = null) {
    super(title);
    Object.assign(this, { title, detail, advice, mayRepeat, code, retryAfterS });
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
    const detail = `${location.host} does not answer.`;
    throw new Refusal("No answer", detail, WHAT_TO_DO.no_answer, true, "no_answer", RETRY_AFTER_S);
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
  const code = answer.code ?? BELOW[status] ?? "";
  const title = answer.title ?? `The server answered ${status} ${statusText}`;
  const detail = PLAIN[code] ?? answer.detail ?? text.trim().slice(0, 500);
  const todo = WHAT_TO_DO[code];
  if (status === 429 || status === 503) {
    const retryAfterS = secondsOf(headers.get("Retry-After"));
    const advice = `Try again in ${duration(retryAfterS)}.`;
    return new Refusal(title, detail, advice, true, code, retryAfterS);
  }
  if (status < 500) {
    return new Refusal(title, detail, todo ?? RELOAD, LATER.includes(code), code);
  }
  const request = headers.get("X-Request-Id") ?? "unknown";
  const ask = "If trying again does not help, tell whoever runs this server of request";
  const advice = `${todo ?? ""} ${ask} ${request}.`.trim();
  return new Refusal(title, detail, advice, true, code);
}

// A date, the header's other form, is nothing that this server says.
function secondsOf(header) {
  return /^[1-9]\d*$/.test(header ?? "") ? Number(header) : RETRY_AFTER_S;
}
