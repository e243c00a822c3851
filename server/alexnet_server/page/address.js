// The address: which stored picture is on show, and which label its neighbours must have.
// #images/ID, #images/ID?label=shirt, and for a picture that was given, #?label=shirt.

const SHOWN = /^#(?:images\/([A-Za-z0-9._-]{1,128}))?(?:\?(.*))?$/;

/** What the address says: `id` or null, `label` or "". */
export function here() {
  const [, id = null, query = ""] = SHOWN.exec(location.hash) ?? [];
  return { id, label: new URLSearchParams(query).get("label") ?? "" };
}

/** The address of the stored picture `id`, null: of the one given, under the filter `label`. */
export function addressOf(id, label) {
  const shown = id === null ? "" : `images/${id}`;
  const query = label === "" ? "" : `?${new URLSearchParams({ label })}`;
  return shown || query ? `#${shown}${query}` : location.pathname + location.search;
}
