// The key of a server that asks for one: typed in by a person, kept for this tab, sent in a
// header and never in an address.

const NAME = "alexnet-key";
const USABLE = /^[!-~]+$/; // what a header can carry, and no space

const part = (id) => document.getElementById(id);
let key = kept();
let asking = null; // what all who need a key wait for while the dialog is open

// Storage may be switched off; the key then lasts as long as the page.
function kept() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null;
  }
}

/** The key, or null. */
export function held() {
  return key;
}

/** The headers that carry the key; none without one. */
export function headers() {
  return key === null ? {} : { Authorization: `Bearer ${key}` };
}

/** Ask for a key, saying `why`; false if none was given. */
export function wanted(why) {
  asking ??= askFor(why).finally(() => {
    asking = null;
  });
  return asking;
}

function askFor(why) {
  const before = key;
  part("key-why").textContent = why;
  part("key").value = "";
  part("key-dialog").showModal();
  return new Promise((resolve) => {
    part("key-dialog").addEventListener("close", () => resolve(key !== before), { once: true });
  });
}

function take(event) {
  event.preventDefault();
  const given = part("key").value.trim();
  if (!USABLE.test(given)) {
    part("key-why").textContent = "A key is one word of letters, digits and signs, as it was made.";
    part("key").focus();
    return;
  }
  hold(given);
  part("key-dialog").close();
}

function hold(given) {
  key = given;
  try {
    if (given === null) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, given);
  } catch {
    // See kept().
  }
  part("held").hidden = given === null;
}

/** Let the dialog and the button that forgets the key work. */
export function listen() {
  part("held").hidden = key === null;
  part("key-form").addEventListener("submit", take);
  part("key-dialog").addEventListener("close", () => {
    part("key").value = "";
  });
  part("key-cancel").addEventListener("click", () => part("key-dialog").close());
  part("forget").addEventListener("click", () => {
    hold(null);
    location.reload(); // what was answered with the key goes too
  });
}
