// What a person sees and does in the console. With CONSOLE_FIXTURE the stories are the fixture's;
// without it any running console is held to what must be true of every one.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { DESKTOP, PHONE, finish, launch, lowContrast, open } from "./browser.js";

const URL_BASE = process.env.CONSOLE_URL;
const FIXTURE = process.env.CONSOLE_FIXTURE === "1";
const ARTEFACTS = process.env.CONSOLE_ARTEFACTS;
const STORIES = { night: "0000000000002a07", small: "0000000000000050", large: "0000000000000100", hostile: "0000000000000bad" };
const onlyFixture = { skip: !FIXTURE && "needs the fixture's stories" };

let browser;
let first = STORIES.night;

before(async () => {
  browser = await launch();
  if (FIXTURE) return;
  const body = await (await fetch(`${URL_BASE}/api/v1/incidents`)).json();
  assert.ok(body.incidents.length > 0, "the console at CONSOLE_URL has no incident to look at");
  first = body.incidents.toSorted((a, b) => b.impact - a.impact)[0].id;
});
after(() => browser?.close());

const list = (options) => open(browser, `${URL_BASE}/`, options);
const incident = (id = first, options) => open(browser, `${URL_BASE}/incidents/${id}`, options);
const ready = (page) => page.locator("#broken").waitFor();
const rowsThere = async (page) => {
  await page.locator("#live.on").waitFor();
  await page.getByRole("button", { name: /^All/ }).click();
  await page.locator("li.row").first().waitFor();
};

test("the list shows every incident with its state, priority, age, services and ticket", onlyFixture, async () => {
  const page = await list();
  await page.locator("li.row").first().waitFor();
  const top = page.locator("li.row").first();
  await assert.doesNotReject(top.getByText("Checkout fails").waitFor({ timeout: 3000 }));
  const text = await top.innerText();
  for (const part of ["Open", "P1", "payment", "87 %", "min", "6 services", "240 alerts", "INC0012345"]) assert.ok(text.includes(part), `${part} in ${text}`);
  await page.getByRole("button", { name: /^Resolved/ }).click();
  await page.getByText("search answers slowly").waitFor();
  await page.getByLabel("Filter").fill("no such thing");
  await page.getByText("No incident here matches the filter.").waitFor();
  assert.deepEqual(await finish(page), []);
});

test("a new revision and a new incident appear without a reload", onlyFixture, async () => {
  const page = await list();
  await page.locator("li.row").first().waitFor();
  await page.evaluate(() => { window.mark = "same document"; });
  const before = await page.locator("li.row").count();
  await page.waitForFunction((n) => document.querySelectorAll("li.row").length > n, before, { timeout: 15_000 });
  assert.equal(await page.evaluate(() => window.mark), "same document");
  assert.deepEqual(await finish(page), []);
  const one = await incident();
  await ready(one);
  const revision = () => one.locator(".facts-line").innerText().then((t) => Number(t.match(/revision (\d+)/)[1]));
  const was = await revision();
  await one.locator("details[data-key=alerts] > summary").click();
  await one.waitForFunction((n) => Number(document.querySelector(".facts-line").innerText.match(/revision (\d+)/)[1]) > n, was, { timeout: 15_000 });
  assert.ok(await one.locator("details[data-key=alerts]").evaluate((d) => d.open), "what was opened stays open");
  assert.deepEqual(await finish(one), []);
});

test("the incident page answers in the order of a tired person's questions", async () => {
  const page = await incident();
  await ready(page);
  const ids = await page.locator("main section").evaluateAll((all) => all.map((e) => e.id));
  assert.deepEqual(ids, ["broken", "cause", "why", "reach", "changed", "people", "owner", "ticket", "details"]);
  assert.equal(await page.locator("h1").count(), 1);
  assert.deepEqual(await finish(page), []);
});

test("under who owns it stands what the map's sources call the cause", onlyFixture, async () => {
  const page = await incident();
  await ready(page);
  const text = await page.locator("#owner").innerText();
  assert.match(text, /known as component:default\/payment in backstage, 27d32778c0a8000b00db970eeaa60f16 in servicenow/);
  assert.deepEqual(await finish(page), []);
});

test("the first cause is named with its probability in words and figures", onlyFixture, async () => {
  const page = await incident();
  await ready(page);
  const text = await page.locator("#cause").innerText();
  for (const part of ["87 %", "very likely", "payment", "lower db.pool.max from 50 to 5", "12 min before", "dana", "None of these"]) assert.ok(text.includes(part), `${part} in ${text}`);
  assert.deepEqual(await finish(page), []);
});

test("evidence opens by keyboard down to traces, alerts and changes", onlyFixture, async () => {
  const page = await incident();
  await ready(page);
  const entry = page.locator("#why details").first();
  await entry.locator("summary").focus();
  await page.keyboard.press("Enter");
  await entry.locator("code").first().waitFor();
  assert.match(await entry.locator("code").first().innerText(), /^[0-9a-f]{32}$/);
  await page.locator("#why details", { hasText: "alerts of 4 rules" }).locator("summary").press("Enter");
  await page.locator("#why dd .says").first().waitFor();
  assert.deepEqual(await finish(page), []);
});

test("the keyboard reaches everything: skip link, rows, nodes of the graph", onlyFixture, async () => {
  const page = await list();
  await page.locator("li.row").first().waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.locator("li.row a").first().press("Enter");
  await ready(page);
  const node = page.locator("g.node.cause");
  await node.focus();
  await page.keyboard.press("ArrowLeft");
  const at = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
  assert.match(at, /^checkout: reached/);
  assert.match(await page.locator(".node-detail").innerText(), /checkout.*calls.*payment/);
  assert.deepEqual(await finish(page), []);
});

test("no text from outside becomes markup, a script or a link to one", onlyFixture, async () => {
  for (const path of [`/incidents/${STORIES.hostile}`, "/", "/drift", "/silences"]) {
    const page = await open(browser, URL_BASE + path);
    await page.locator("h1").waitFor();
    await page.getByText("<script>").first().waitFor();
    await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
    const found = await page.evaluate(() => ({
      scripts: document.querySelectorAll("script:not([src^='/assets/'])").length,
      images: document.querySelectorAll("main img, main iframe, main object").length,
      links: [...document.querySelectorAll("a")].map((a) => a.href).filter((href) => !/^https?:/.test(href)),
      handlers: [...document.querySelectorAll("main *")].filter((e) => [...e.attributes].some((a) => a.name.startsWith("on"))).length,
      bidi: /[\u202a-\u202e\u2066-\u2069]/.test(document.documentElement.outerHTML),
    }));
    assert.deepEqual(found, { scripts: 0, images: 0, links: [], handlers: 0, bidi: false }, path);
    assert.deepEqual(await finish(page), [], path);
  }
});

test("nothing scrolls sideways at 375 px", async () => {
  const ids = FIXTURE ? Object.values(STORIES) : [first];
  for (const path of ["/", "/drift", "/silences", ...ids.map((id) => `/incidents/${id}`)]) {
    const page = await open(browser, URL_BASE + path, { viewport: PHONE });
    await page.locator("h1").waitFor();
    if (path === "/") await rowsThere(page);
    await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 375, `${path} is ${width} px wide`);
    const troubles = (await finish(page)).filter((t) => !(path === "/drift" && t.includes("404")));
    assert.deepEqual(troubles, [], path);
  }
});

test("nodes of the graph do not lie on each other, at 5 and at 100", onlyFixture, async () => {
  for (const [id, count] of [[STORIES.small, 4], [STORIES.night, 15], [STORIES.large, 100]]) {
    const page = await incident(id);
    await ready(page);
    const boxes = await page.locator("g.node rect.shape").evaluateAll((all) => all.map((e) => e.getBoundingClientRect()).map(({ left, right, top, bottom }) => ({ left, right, top, bottom })));
    assert.ok(boxes.length >= count, `${boxes.length} of ${count}`);
    const overlap = boxes.some((a, i) => boxes.some((b, j) => i < j && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom));
    assert.equal(overlap, false, id);
    const seen = await page.evaluate(() => {
      const [frame, cause] = [".graph-box", "g.node.cause .shape"].map((q) => document.querySelector(q).getBoundingClientRect());
      return cause.left >= frame.left && cause.right <= frame.right;
    });
    assert.ok(seen, "the cause is in sight without scrolling");
    assert.deepEqual(await finish(page), []);
  }
});

for (const colorScheme of ["light", "dark"]) {
  for (const [device, viewport] of [["desktop", DESKTOP], ["phone", PHONE]]) {
    test(`text has AA contrast and the pages are pictured: ${colorScheme}, ${device}`, async () => {
      const pages = FIXTURE ? Object.entries(STORIES) : [["incident", first]];
      for (const [name, path] of [["list", "/"], ["drift", "/drift"], ...pages.map(([n, id]) => [n, `/incidents/${id}`])]) {
        const page = await open(browser, URL_BASE + path, { viewport, colorScheme });
        await page.locator("h1").waitFor();
        if (path === "/") await rowsThere(page);
        await page.locator("#live.on").waitFor();
        await page.screenshot({ path: join(ARTEFACTS, `${name}-${device}-${colorScheme}.png`), fullPage: true });
        await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
        const { checked, bad } = await lowContrast(page);
        assert.ok(checked > 5, `${path}: ${checked} texts`);
        assert.deepEqual(bad, [], path);
        await page.context().close();
      }
    });
  }
}
