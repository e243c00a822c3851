// Pictures on their way into the index: one, or many with a few of them under way at a time.

import { readable } from "./readable.js";
import { ask, Refusal } from "./server.js";

const AT_A_TIME = 4; // a browser opens six connections to a server: two are left for looking
const PATIENCE_S = 60; // with one picture; a server that is started anew is back by then
const JITTER_S = 1; // so that those refused together do not come back together
const GRACE_S = 5; // the server answers within as many: what it has stored by then is counted
const MAX_PICTURE_BYTES = 10 * 2 ** 20; // the server's; on far larger files it only hangs up
// What is wrong is not the picture: the next one would be refused as well.
const FOR_ALL = [
  "key_missing",
  "forbidden",
  "foreign_host",
  "foreign_origin",
  "index_in_use",
  "index_mismatch",
  "storage_failed",
];

/** A request that carries `file`, and `label` where there is one. */
export function post(file, signal, label = "") {
  const body = new FormData();
  body.append("image", file, file.name);
  if (label) body.append("label", label);
  return { method: "POST", body, signal };
}

/** Store `file`; returns whether it is new to the index. Throws Refusal, or AbortError. */
export async function store(file, label, signal) {
  const { results } = await ask("images", post(file, signal, label));
  return results[0].created;
}

/** Many pictures being stored. Run again, it goes on with all that may succeed. */
export class Upload {
  added = 0;
  present = 0; // stored before
  refused = []; // {picture, error}: what was wrong with the picture
  ending = null; // the Refusal that the others would have met too
  trouble = ""; // why it waits
  isStopped = false;
  changed = () => {}; // called whenever there is news
  #underWay = 0;
  #begun; // its signal: no more pictures are begun, and waits end
  #requests;

  /** `pictures` are `{file, path, label}`. */
  constructor(pictures) {
    this.left = [...pictures]; // neither stored nor refused
    this.total = pictures.length;
  }

  /** How many have an answer. */
  get done() {
    return this.total - this.left.length - this.#underWay;
  }

  /** Store what is left, and what may succeed now; ends once all are done, or at `stop`. */
  async run() {
    this.left.push(...this.refused.filter(mayRepeat).map(({ picture }) => picture));
    this.refused = this.refused.filter((one) => !mayRepeat(one));
    this.ending = null;
    this.isStopped = false;
    this.#begun = new AbortController();
    this.#requests = new AbortController();
    await Promise.all(Array.from({ length: AT_A_TIME }, () => this.#carry()));
  }

  /** Begin no more; those under way may end, for so long. */
  stop() {
    this.isStopped = true;
    this.#begun.abort();
    const requests = this.#requests;
    setTimeout(() => requests.abort(), 1000 * GRACE_S);
  }

  async #carry() {
    while (this.left.length > 0 && !this.#begun.signal.aborted) {
      const picture = this.left.shift();
      this.#underWay += 1;
      try {
        const isNew = await this.#patiently(picture);
        if (isNew) this.added += 1;
        else this.present += 1;
        this.trouble = "";
      } catch (error) {
        this.#take(picture, error);
      }
      this.#underWay -= 1;
      this.changed();
    }
  }

  async #patiently({ file, path, label }) {
    if (file.size > MAX_PICTURE_BYTES) throw tooLarge(path, file.size);
    const sent = await readable(file);
    let giveUpAt = null;
    for (;;) {
      this.#begun.signal.throwIfAborted();
      try {
        return await store(sent, label, this.#requests.signal);
      } catch (error) {
        if (!(error instanceof Refusal) || error.retryAfterS === null) throw error;
        const waitMs = 1000 * (error.retryAfterS + JITTER_S * Math.random());
        giveUpAt ??= performance.now() + 1000 * PATIENCE_S;
        if (performance.now() + waitMs > giveUpAt) throw error;
        this.trouble = error.title;
        this.changed();
        await pause(waitMs, this.#begun.signal);
      }
    }
  }

  #take(picture, error) {
    const isRefusal = error instanceof Refusal;
    if (!isRefusal && !this.#begun.signal.aborted) throw error;
    if (isRefusal && error.retryAfterS === null && !FOR_ALL.includes(error.code)) {
      this.refused.push({ picture, error });
      return;
    }
    this.left.push(picture);
    if (this.#begun.signal.aborted) return;
    this.ending = error;
    this.#begun.abort();
    this.#requests.abort();
  }
}

function mayRepeat({ error }) {
  return error.mayRepeat;
}

function tooLarge(path, bytes) {
  const detail = `${path} has ${Math.ceil(bytes / 2 ** 20)} MiB; the server takes 10 MiB.`;
  return new Refusal("The picture is too large", detail, "Save it smaller, as JPEG.");
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const end = () => resolve(clearTimeout(timer));
    signal.addEventListener("abort", end, { once: true });
  });
}
