// People's control in the console: what a person presses, what is shown meanwhile, what is told
// when it fails. Needs the fixture, whose journal shows acts in the next revision.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { finish, launch, lowContrast, open } from "./browser.js";

const URL_BASE = process.env.CONSOLE_URL;
const ARTEFACTS = process.env.CONSOLE_ARTEFACTS;
const STORIES = { night: "0000000000002a07", busy: "0000000000000050", large: "0000000000000100" };
const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 390, height: 844 };
const onlyFixture = { skip: process.env.CONSOLE_FIXTURE !== "1" && "needs the fixture's journal" };

let browser;
before(async () => { browser = await launch(); });
after(() => browser?.close());

async function incident(id, options) {
  const page = await open(browser, `${URL_BASE}/incidents/${id}`, options);
  await page.locator("#broken").waitFor();
  return page;
}

const press = (page, name) => page.getByRole("button", { name, exact: true }).click();

async function answer(page, fields, submit) {
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  for (const [label, value] of Object.entries(fields)) await dialog.getByLabel(label, { exact: true }).fill(value);
  await dialog.getByRole("button", { name: submit, exact: true }).click();
}

test("acknowledging asks once who it is, is pending, then done, and everybody sees it", onlyFixture, async () => {
  const page = await incident(STORIES.night);
  const list = await open(browser, `${URL_BASE}/`);
  await press(page, "Acknowledge");
  await answer(page, { "Your name": "ann" }, "Acknowledge");
  await page.locator(".pending-line").getByText("Waiting for the revision").waitFor();
  await page.locator(".pending-line.done").waitFor();
  await page.locator(".incident-head .chip.people", { hasText: "Acknowledged, ann" }).waitFor();
  await list.locator(`li.row[data-id="${STORIES.night}"] .chip.people`, { hasText: "ann" }).waitFor();
  await press(page, "Unacknowledge");
  await page.getByRole("button", { name: "Acknowledge", exact: true }).waitFor();
  assert.equal(await page.getByRole("dialog").count(), 0, "the name is remembered");
  assert.deepEqual([...await finish(page), ...await finish(list)], []);
});

test("assign, snooze, comment and resolve show what was decided, by whom and why", onlyFixture, async () => {
  const page = await incident(STORIES.night);
  await press(page, "Assign");
  await answer(page, { "Assign to": "team-payments", "Reason (optional)": "they own the pool", "Your name": "ann" }, "Assign");
  await page.locator("#owner").getByText("team-payments").last().waitFor();
  await press(page, "Snooze");
  await page.getByRole("dialog").getByLabel("For", { exact: true }).selectOption("30m");
  await answer(page, {}, "Snooze");
  await page.locator(".chip.people", { hasText: "Snoozed until" }).waitFor();
  await press(page, "End snooze");
  await page.locator(".chip.people", { hasText: "Snoozed until" }).waitFor({ state: "detached" });
  await press(page, "Comment");
  await answer(page, { Comment: "rolling back the pool size" }, "Comment");
  await page.locator("#people .spoken", { hasText: "rolling back the pool size" }).waitFor();
  await press(page, "Resolve");
  await answer(page, { "Reason (optional)": "rolled back" }, "Resolve");
  await page.locator(".facts-line .chip", { hasText: "Resolved" }).waitFor();
  await page.locator(".chip.people", { hasText: "Resolved by ann" }).waitFor();
  await press(page, "Reopen");
  await answer(page, {}, "Reopen");
  await page.locator(".facts-line .chip", { hasText: "Open" }).waitFor();
  assert.deepEqual(await finish(page), []);
});

test("a verdict marks its hypothesis", onlyFixture, async () => {
  const page = await incident(STORIES.night);
  await page.locator("#cause .first").getByRole("button", { name: "This was the cause" }).click();
  await answer(page, { "Your name": "bob", "Reason (optional)": "the pool was 5" }, "This was the cause");
  await page.locator("#cause .first .chip", { hasText: "The cause, says bob" }).waitFor();
  await page.locator("#people", { hasText: "the pool was 5" }).waitFor();
  await page.locator("#cause .others details").first().locator("summary").click();
  await page.locator("#cause .others").getByRole("button", { name: "This was not" }).first().click();
  await answer(page, {}, "This was not the cause");
  await page.locator("#cause .others .chip", { hasText: "Not the cause, says bob" }).first().waitFor();
  assert.deepEqual(await finish(page), []);
});

test("services can be split off, and an incident merged into another", onlyFixture, async () => {
  const page = await incident(STORIES.large);
  await press(page, "Split");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("checkbox").first().check();
  await answer(page, { "Your name": "ann" }, "Split");
  await page.locator(".pending-line.done", { hasText: "Split" }).waitFor();
  await press(page, "Merge");
  await page.getByLabel("Into").selectOption(STORIES.night);
  await answer(page, {}, "Merge");
  await page.locator(".notice", { hasText: STORIES.night }).waitFor();
  assert.equal(await page.locator(".acts button").count(), 0, "nothing can be decided on what is gone");
  assert.deepEqual(await finish(page), []);
});

test("a failure is told, the form keeps what was typed, and the same can be tried again", onlyFixture, async () => {
  const page = await incident(STORIES.busy);
  await press(page, "Comment");
  await answer(page, { Comment: "the log is down", "Your name": "ann" }, "Comment");
  const alert = page.getByRole("dialog").getByRole("alert");
  await alert.getByText("the log did not answer").waitFor();
  assert.equal(await page.getByRole("dialog").getByLabel("Comment", { exact: true }).inputValue(), "the log is down");
  await page.getByRole("dialog").getByLabel("Comment", { exact: true }).fill("it is back");
  await page.getByRole("dialog").getByRole("button", { name: "Comment", exact: true }).click();
  await page.locator("#people .spoken", { hasText: "it is back" }).waitFor();
  await page.route("**/unsnooze", (route) => route.abort());
  await press(page, "End snooze");
  await page.locator(".notice.wrong", { hasText: "did not answer" }).waitFor();
  await page.unroute("**/unsnooze");
  await press(page, "Try again");
  await page.locator(".pending-line.done").waitFor();
  const troubles = (await finish(page)).filter((t) => !/503|ERR_FAILED/.test(t));
  assert.deepEqual(troubles, []);
});

test("a form that is being sent stays, and what an earlier try did is seen as done", onlyFixture, async () => {
  const page = await incident(STORIES.busy);
  let lose;
  const lost = new Promise((resolve) => { lose = resolve; });
  await page.route("**/comment", async (route) => { await route.fetch(); await lost; await route.abort(); });
  await press(page, "Comment");
  await answer(page, { Comment: "said once", "Your name": "ann" }, "Comment");
  const dialog = page.getByRole("dialog");
  const said = page.locator("#people .spoken", { hasText: "said once" });
  await said.waitFor();
  await page.keyboard.press("Escape");
  assert.ok(await dialog.getByRole("button", { name: "Cancel", exact: true }).isDisabled());
  lose();
  await dialog.getByRole("alert").getByText("did not answer").waitFor();
  await page.unroute("**/comment");
  await dialog.getByRole("button", { name: "Comment", exact: true }).click();
  await page.locator(".pending-line.done").waitFor();
  assert.equal(await said.count(), 1);
  const troubles = (await finish(page)).filter((t) => !/ERR_FAILED/.test(t));
  assert.deepEqual(troubles, []);
});

test("silences and maintenance are listed, added and ended", onlyFixture, async () => {
  const page = await open(browser, `${URL_BASE}/silences`);
  await page.locator("#silences li", { hasText: "catalog-db" }).waitFor();
  await page.locator("#maintenance li", { hasText: "database upgrade" }).getByText("Pending").waitFor();
  await press(page, "Add silence");
  await answer(page, { Alerts: "service=payment\nalertname=~\"Disk.*\"", "Reason (optional)": "disk swap", "Your name": "ann" }, "Add silence");
  const row = page.locator("#silences li", { hasText: "disk swap" });
  await row.getByText("Active").waitFor();
  assert.match(await row.innerText(), /alertname=~"Disk\.\*"[\s\S]*by ann/);
  await row.getByRole("button").click();
  await answer(page, { "Reason (optional)": "done early" }, "End");
  await page.locator("#silences details summary").click();
  await page.locator("#silences details li", { hasText: "done early" }).waitFor();
  await press(page, "Add inhibition");
  await answer(page, { "While this fires": "alertname=NodeDown", "these tell nobody": "severity=warning" }, "Add inhibition");
  await page.locator("#inhibitions li", { hasText: "NodeDown" }).waitFor();
  await press(page, "Add maintenance");
  await answer(page, { "Services, one a line": "search" }, "Add maintenance");
  await page.locator("#maintenance li", { hasText: "search" }).waitFor();
  await press(page, "Add silence");
  await answer(page, { Alerts: "no matcher" }, "Add silence");
  await page.getByRole("dialog").getByRole("alert").getByText("service=payment").waitFor();
  assert.deepEqual((await finish(page)).filter((t) => !t.includes("422")), []);
});

test("the keyboard alone opens, fills, closes and returns", onlyFixture, async () => {
  const page = await incident(STORIES.busy);
  await page.getByRole("button", { name: "Assign", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.name), "to");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" }).catch(() => {});
  assert.equal(await page.evaluate(() => document.activeElement.dataset.key), "do-assign");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("carla");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.type("ann");
  await page.keyboard.press("Enter");
  await page.locator(".chip.people", { hasText: "Assigned to carla" }).waitFor();
  assert.deepEqual(await finish(page), []);
});

for (const colorScheme of ["light", "dark"]) {
  for (const [device, viewport] of [["wide", WIDE], ["narrow", NARROW]]) {
    test(`control is pictured, fits and has AA contrast: ${colorScheme}, ${device}`, onlyFixture, async () => {
      const shot = (page, name) => page.screenshot({ path: join(ARTEFACTS, `control-${name}-${device}-${colorScheme}.png`) });
      const checked = async (page, what) => {
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= viewport.width, `${what} is ${width} px wide`);
        assert.deepEqual((await lowContrast(page)).bad, [], what);
      };
      for (const [name, path] of [["list", "/"], ["busy", `/incidents/${STORIES.busy}`], ["silences", "/silences"]]) {
        const page = await open(browser, URL_BASE + path, { viewport, colorScheme });
        await page.locator(name === "list" ? "li.row" : name === "busy" ? "#people li" : "#silences li").first().waitFor();
        await page.screenshot({ path: join(ARTEFACTS, `control-${name}-${device}-${colorScheme}.png`), fullPage: true });
        await checked(page, name);
        if (name === "list") { await page.context().close(); continue; }
        await page.getByRole("button", { name: name === "busy" ? "Snooze" : "Add silence" }).first().or(page.getByRole("button", { name: "Assign", exact: true })).first().click();
        await page.getByRole("dialog").waitFor();
        await shot(page, `${name}-dialog`);
        await checked(page, `${name} dialog`);
        await page.context().close();
      }
    });
  }
}
