// Who may look and who may decide: signing in and out, what each role sees, and what another site's page
// can do with a session. Needs the fixture, whose second console asks for tokens.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { finish, launch, lowContrast, open } from "./browser.js";

const GUARDED = process.env.CONSOLE_GUARDED_URL;
const ARTEFACTS = process.env.CONSOLE_ARTEFACTS;
const INCIDENT = "/incidents/0000000000000050";
const onlyFixture = { skip: !GUARDED && "needs the fixture's second console" };

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

async function signIn(page, role) {
  await page.getByLabel("Token", { exact: true }).fill(`the-token-of-the-${role}`);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** A page of the guarded console, seen by a role. */
async function as(role, path) {
  const page = await open(browser, `${GUARDED}${path}`);
  await signIn(page, role);
  await page.locator("#me .role", { hasText: role }).waitFor();
  return page;
}

/** Refusals that were asked for are no trouble. */
const without = (troubles, status) => troubles.filter((text) => !text.includes(`status of ${status}`));

test("a link to an incident leads to the login and back, and signing out leads out", onlyFixture, async () => {
  const page = await open(browser, `${GUARDED}${INCIDENT}`);
  assert.match(page.url(), /\/login\?next=/);
  await page.screenshot({ path: join(ARTEFACTS, "login.png") });
  await page.getByLabel("Token", { exact: true }).fill("this-is-the-token-of-nobody");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("This is no token of this installation").waitFor();
  await signIn(page, "viewer");
  await page.locator("#broken").waitFor();
  assert.equal(new URL(page.url()).pathname, INCIDENT);
  const [cookie] = await page.context().cookies();
  assert.deepEqual([cookie.name, cookie.httpOnly, cookie.sameSite], ["faultline_session", true, "Strict"]);
  assert.ok(!cookie.value.includes("token"), "the cookie holds no token");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Token", { exact: true }).waitFor();
  await page.goto(`${GUARDED}/`);
  assert.match(page.url(), /\/login/);
  assert.deepEqual(without(await finish(page), 401), []);
});

test("a viewer sees everything, is told why nothing can be pressed, and cannot go around that", onlyFixture, async () => {
  const page = await as("viewer", INCIDENT);
  await page.getByText("Your role is viewer. This needs the role responder.").waitFor();
  for (const name of ["Acknowledge", "Resolve", "This was the cause"]) {
    assert.equal(await page.getByRole("button", { name, exact: true }).count(), 0, name);
  }
  const status = await page.evaluate(async (path) => {
    const send = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    return (await fetch(`/api/v1${path}/acknowledge`, send)).status;
  }, INCIDENT);
  assert.equal(status, 403);
  assert.deepEqual((await lowContrast(page)).bad, []);
  await page.screenshot({ path: join(ARTEFACTS, "viewer.png") });
  assert.deepEqual(without(await finish(page), 403), []);
});

test("a responder decides under the name of the token, which is not asked for", onlyFixture, async () => {
  const page = await as("responder", INCIDENT);
  await page.getByRole("button", { name: "Comment", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("As responder.").waitFor();
  assert.equal(await dialog.getByLabel("Your name").count(), 0);
  await dialog.getByLabel("Comment", { exact: true }).fill("the pool is too small");
  await dialog.getByRole("button", { name: "Comment", exact: true }).click();
  await page.locator(".pending-line.done").waitFor();
  const body = await page.evaluate(async (path) => (await fetch(`/api/v1${path}`)).json(), INCIDENT);
  assert.ok(body.people.comments.some((c) => c.author === "responder" && c.text === "the pool is too small"));
  await page.goto(`${GUARDED}/silences`);
  await page.getByRole("button", { name: "Add silence" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Add maintenance" }).count(), 0);
  assert.equal(await page.getByText("This needs the role admin.").count(), 2);
  assert.deepEqual(await finish(page), []);
});

test("an admin can do all of it", onlyFixture, async () => {
  const page = await as("admin", "/silences");
  for (const name of ["Add silence", "Add maintenance", "Add inhibition"]) {
    await page.getByRole("button", { name }).waitFor();
  }
  assert.equal(await page.locator(".may-not").count(), 0);
  assert.deepEqual(await finish(page), []);
});

test("a session that has ended leads to the login instead of an empty page", onlyFixture, async () => {
  const page = await as("viewer", "/");
  await page.context().clearCookies();
  await page.locator("nav").getByText("Silences").click();
  await page.getByLabel("Token", { exact: true }).waitFor();
  assert.match(page.url(), /\/login\?next=%2Fsilences/);
  assert.deepEqual(without(await finish(page), 401), []);
});

test("another site's page can do nothing with a session", onlyFixture, async () => {
  const page = await as("admin", INCIDENT);
  const server = createServer((_, answer) => answer.setHeader("content-type", "text/html").end("<!doctype html><title>another</title>"));
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const foreign = await page.context().newPage();
  await foreign.goto(`http://localhost:${server.address().port}/`);
  const tried = await foreign.evaluate(async ([base, path]) => {
    const send = (to, type) => fetch(`${base}${to}`, { method: "POST", mode: "no-cors", credentials: "include", headers: { "content-type": type }, body: "{}" }).then(() => "sent", () => "not sent");
    const form = document.createElement("iframe");
    form.src = `${base}/`;
    document.body.append(form);
    await new Promise((done) => form.addEventListener("load", done));
    let inside = null;
    try { inside = form.contentDocument; } catch { /* Another origin. */ }
    return [await send(`/api/v1${path}/resolve`, "text/plain"), await send("/logout", "text/plain"), inside];
  }, [GUARDED, INCIDENT]);
  assert.equal(tried[2], null, "no frame of ours");
  const state = await page.evaluate(async (path) => (await fetch(`/api/v1${path}`)).json(), INCIDENT);
  assert.notEqual(state.state, "resolved");
  await page.reload();
  await page.locator("#me .role", { hasText: "admin" }).waitFor();
  server.close();
  await finish(page);
});
