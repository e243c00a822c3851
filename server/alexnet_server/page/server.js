// Requests to the server, and what it refuses put into words.

const SMALLER = "Make the picture smaller, then choose it again.";
const WHAT_TO_DO = {
  unsupported_format: "Save it as JPEG, PNG or WEBP first (a phone's HEIC: export it as JPEG).",
  undecodable_picture: "Open it in a picture program and save it again, or choose another one.",
  empty_picture: "Choose another file.",
  picture_too_large: SMALLER,
  request_too_large: SMALLER,
  picture_not_found: "It may have been deleted. Choose a picture to start again.",
};

/** What went wrong, for a person; `mayRepeat`: the same request may succeed later. */
export class Refusal extends Error {
  constructor(title, detail, advice, mayRepeat = false) {
    super(title);
    Object.assign(this, { title, detail, advice, mayRepeat });
  }
}

/** The server's JSON answer; throws Refusal, or AbortError once `signal` is aborted. */
export async function ask(path, options = {}) {
  let reply, text;
  try {
    reply = await fetch(path, options);
    text = await reply.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    const advice = "Is it still running (make serve)? It also hangs up on a file far too large.";
    throw new Refusal("No answer", `${location.host} does not answer.`, advice, true);
  }
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // The words of a proxy or of the HTTP layer: shown as they are, below.
  }
  if (reply.ok && answer) return answer;
  throw refusal(reply, answer ?? {}, text);
}

function refusal({ status, statusText, headers }, answer, text) {
  const title = answer.title ?? `The server answered ${status} ${statusText}`;
  const detail = answer.detail ?? text.trim().slice(0, 500);
  const code = answer.code ?? { 413: "request_too_large" }[status];
  if (status < 500 && status !== 429) return new Refusal(title, detail, WHAT_TO_DO[code] ?? "");
  const request = headers.get("X-Request-Id") ?? "unknown";
  return new Refusal(title, detail, `If trying again does not help: request ${request}.`, true);
}
