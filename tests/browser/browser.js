// One Chromium for all tests, and pages that remember everything that went wrong in them.

import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 375, height: 812 };

export async function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });
}

/** A fresh page. `page.troubles` collects dialogs, console errors, CSP violations, foreign requests. */
export async function open(browser, url, { viewport = DESKTOP, colorScheme = "light" } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.troubles = [];
  page.on("dialog", (dialog) => { page.troubles.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("pageerror", (error) => {
    page.troubles.push(`error: ${error.message}`);
    // Whoever waits for what a broken script should have drawn waits in vain: say at once why.
    console.error(`the page threw: ${error.stack ?? error.message}`);
  });
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) page.troubles.push(`console: ${message.text()}`); });
  page.on("request", (request) => { if (!request.url().startsWith(new URL(url).origin) && !request.url().startsWith("data:")) page.troubles.push(`request: ${request.url()}`); });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(url);
  return page;
}

/** Closes the page and returns what went wrong in it. */
export async function finish(page) {
  const violations = await page.evaluate(() => window.violations.map((v) => `policy: ${v}`));
  await page.context().close();
  return [...page.troubles, ...violations];
}

/** Text whose contrast with what is painted behind it is below AA (4.5, or 3 for large text). */
export function lowContrast(page) {
  return page.evaluate(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data].map((v, i) => (i === 3 ? v / 255 : v));
    };
    const over = (top, below) => below.slice(0, 3).map((v, i) => top[i] * top[3] + v * (1 - top[3])).concat(1);
    const light = ([r, g, b]) => {
      const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (element) => {
      const node = element.closest("g.node");
      if (node) return over(rgba(getComputedStyle(node.querySelector("rect.shape")).fill), behind(node.closest("div")));
      const layers = [];
      for (let e = element; e; e = e.parentElement) layers.push(rgba(getComputedStyle(e).backgroundColor));
      return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
    };
    const bad = new Map();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let checked = 0;
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest(".visually-hidden, title, noscript")) continue;
      const style = getComputedStyle(element);
      const background = behind(element);
      const ink = over(rgba(element.closest("svg") ? style.fill : style.color), background);
      const [a, b] = [light(ink), light(background)].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      const size = parseFloat(style.fontSize);
      const need = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
      checked += 1;
      if (ratio < need) bad.set(`${element.className.baseVal ?? element.className} ${walker.currentNode.data.slice(0, 30)}`, ratio.toFixed(2));
    }
    return { checked, bad: [...bad] };
  });
}
