// Signing in at an OpenID issuer, as people see it: there and back, each way in which it can go wrong, and the
// session that comes of it. The issuer is `issuer.js`.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { DESKTOP, PHONE, finish, launch, lowContrast, open } from "./browser.js";
import { issue } from "./issuer.js";

const ALONE = process.env.CONSOLE_ISSUER_URL;
const EITHER = process.env.CONSOLE_EITHER_URL;
const PORT = Number(process.env.CONSOLE_ISSUER_PORT);
const ARTEFACTS = process.env.CONSOLE_ARTEFACTS;
const INCIDENT = "/incidents/0000000000000050";
const onlyFixture = { skip: !ALONE && "needs the fixture's consoles behind an issuer" };

let browser;
let issuer;
before(async () => {
  browser = await launch();
  if (ALONE) issuer = await issue(PORT);
});
after(async () => {
  issuer?.close();
  await browser?.close();
});

/** What went wrong, but for the way to the issuer, and for answers of a status that was asked for. */
const without = (troubles, status) => troubles.filter((text) => !text.includes(`127.0.0.1:${PORT}/`) && !text.includes(`status of ${status}`));

async function signIn(page, person) {
  await page.getByRole("link", { name: "Sign in with your account" }).click();
  await page.getByRole("link", { name: person }).click();
}

/** One picture of each width and scheme; nothing of it is wider than the screen, and all of it can be read. */
async function looked(page, name) {
  for (const [size, viewport] of [["desktop", DESKTOP], ["phone", PHONE]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(ARTEFACTS, `${name}-${size}-${colorScheme}.png`) });
      assert.deepEqual((await lowContrast(page)).bad, [], `${name} ${size} ${colorScheme}`);
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(beyond <= 0, `${name} ${size}: ${beyond} pixels too wide`);
    }
  }
  await page.setViewportSize(DESKTOP);
}

test("somebody whom the issuer knows comes to the page they were going to, under their own name", onlyFixture, async () => {
  const page = await open(browser, `${ALONE}${INCIDENT}`);
  assert.match(page.url(), /\/login\?next=/);
  assert.equal(await page.getByLabel("Token", { exact: true }).count(), 0, "no tokens are taken here");
  await looked(page, "sign-in-issuer");
  await signIn(page, "ann");
  await page.locator("#broken").waitFor();
  assert.equal(new URL(page.url()).pathname, INCIDENT);
  assert.equal(new URL(page.url()).search, "", "no code stays in the address");
  await page.locator("#me", { hasText: "ann" }).locator(".role", { hasText: "responder" }).waitFor();
  const cookie = (await page.context().cookies(ALONE)).find((cookie) => cookie.name === "faultline_session");
  assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, "Strict"]);
  await page.getByRole("button", { name: "Comment", exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("As ann.").waitFor();
  await dialog.getByLabel("Comment", { exact: true }).fill("signed in");
  await dialog.getByRole("button", { name: "Comment", exact: true }).click();
  await page.locator(".pending-line.done").waitFor();
  const body = await page.evaluate(async (path) => (await fetch(`/api/v1${path}`)).json(), INCIDENT);
  assert.ok(body.people.comments.some((c) => c.author === "ann" && c.text === "signed in"));
  await page.reload();
  await page.locator("#me", { hasText: "ann" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("link", { name: "Sign in with your account" }).waitFor();
  await page.goto(`${ALONE}/`);
  assert.match(page.url(), /\/login/, "the session is over");
  assert.deepEqual(without(await finish(page), 401), []);
});

test("where there are tokens as well, both ways lead in", onlyFixture, async () => {
  const page = await open(browser, `${EITHER}/`);
  await looked(page, "sign-in-either");
  await page.getByLabel("Token", { exact: true }).fill("this-is-the-token-of-nobody");
  await page.getByRole("button", { name: "Sign in with the token" }).click();
  await page.getByText("This is no token of this installation").waitFor();
  await looked(page, "sign-in-either-wrong");
  await signIn(page, "vic");
  await page.locator("#me .role", { hasText: "viewer" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Token", { exact: true }).fill("the-token-of-the-admin");
  await page.getByRole("button", { name: "Sign in with the token" }).click();
  await page.locator("#me .role", { hasText: "admin" }).waitFor();
  assert.deepEqual(without(await finish(page), 401), []);
});

test("who has no role is told so and what to do, and is not let in", onlyFixture, async () => {
  const page = await open(browser, `${ALONE}/`);
  await signIn(page, "eve");
  await page.getByRole("heading", { name: "No role" }).waitFor();
  await looked(page, "sign-in-no-role");
  await page.goto(`${ALONE}/`);
  assert.match(page.url(), /\/login/);
  assert.deepEqual(without(await finish(page), 403), []);
});

test("a sign-in that was finished already leads back to the beginning", onlyFixture, async () => {
  const page = await open(browser, `${ALONE}/login/callback?code=one&state=two`);
  await page.getByRole("heading", { name: "Not signed in" }).waitFor();
  await looked(page, "sign-in-refused");
  await page.getByRole("link", { name: "Back to the sign-in" }).click();
  await page.getByRole("link", { name: "Sign in with your account" }).waitFor();
  assert.deepEqual(without(await finish(page), 401), []);
});

test("the page between the issuer and ours leads on by itself", onlyFixture, async () => {
  const page = await open(browser, `${ALONE}/login`);
  let between = 0;
  page.on("response", (response) => { if (response.url().includes("/login/callback") && response.status() === 200) between += 1; });
  await signIn(page, "ann");
  await page.locator("#me", { hasText: "ann" }).waitFor();
  assert.equal(between, 1);
  assert.deepEqual(without(await finish(page), 401), []);
});
