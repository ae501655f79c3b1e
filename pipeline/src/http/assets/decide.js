// How a decision leaves the console: who decides is asked once and remembered here; each decision
// has an id of its own, so that trying again after a broken line does it once.

import { name, signIn } from "./who.js";

const AUTHOR = "faultline.author";

/** Who decides: whom the API knows, else as last said in this browser; empty if never. */
export function author() {
  if (name() !== "") return name();
  try {
    return localStorage.getItem(AUTHOR) ?? "";
  } catch {
    return "";
  }
}

export function remember(said) {
  if (name() !== "") return;
  try {
    localStorage.setItem(AUTHOR, said);
  } catch {
    // A browser that keeps nothing asks each time.
  }
}

/** An id for a decision. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Sends a decision; what is thrown has a `message` and says what to do in `action`. */
export async function decide(method, path, body, key) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: { accept: "application/json", "content-type": "application/json", "idempotency-key": key },
      body: JSON.stringify({ ...body, via: "console" }),
    });
  } catch {
    throw problem("faultline did not answer", "Nothing may have been decided. Try again; it is done once.", true);
  }
  if (answer.status === 401) signIn();
  const said = await answer.json().catch(() => null);
  if (answer.ok) return said;
  const error = said?.error;
  throw problem(error?.message ?? `the server answered ${answer.status}`, error?.action ?? "", answer.status >= 500);
}

function problem(message, action, again) {
  return Object.assign(new Error(message), { action, again });
}
