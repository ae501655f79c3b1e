// Who looks at this page: their name and role, as the API says; and the way out.

import { h, renew, said } from "./dom.js";

const ROLES = ["viewer", "responder", "admin"];

let me = { name: null, role: "viewer", has_session: false };

/** The name under which decisions are taken, if the API knows one; else empty. */
export const name = () => me.name ?? "";

/** Whether who looks may do what needs this role. The server decides; this only spares a press. */
export const may = (role) => ROLES.indexOf(me.role) >= ROLES.indexOf(role);

/** A line instead of what may not be done. */
export function mayNot(role) {
  return h("p", { class: "quiet may-not" }, `Your role is ${me.role}. This needs the role ${role}.`);
}

/** To the login page, and back here afterwards. */
export function signIn() {
  const here = location.pathname;
  location.assign(here === "/" ? "/login" : `/login?next=${encodeURIComponent(here)}`);
}

/** Asks once, before anything is drawn. */
export async function meet() {
  const answer = await fetch("/api/v1/me", { headers: { accept: "application/json" } });
  if (answer.status === 401) { signIn(); return; }
  if (!answer.ok) return;
  me = await answer.json();
  const known = me.name !== null || me.has_session;
  renew(document.getElementById("me"),
    known && h("span", null, me.name !== null && [h("strong", null, said(me.name)), " "], h("span", { class: "role" }, me.role)),
    me.has_session && h("form", { method: "post", action: "/logout" }, h("button", { type: "submit", class: "act small" }, "Sign out")));
}

/** Whether a session has ended in the meantime: then the login page comes. */
export async function stillKnown() {
  const answer = await fetch("/api/v1/me").catch(() => null);
  if (answer?.status === 401) signIn();
}
