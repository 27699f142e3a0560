// The script of the page in a real browser: what changes appears by itself, and nothing that the visitor does is lost.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { assertAccessible, noBrowser, visit } from "../support/browser.js";
import { serve } from "../support/client.js";
import { image, newName } from "../support/content.js";

const { gantry, client } = await serve({ REGISTRY_STORAGE_DELETE_ENABLED: "true" });
const skip = noBrowser;

async function repositoryLink(page: Page, name: string): Promise<void> {
  await page.getByRole("main").getByRole("link", { name }).waitFor();
}

test("a push appears without a reload, and is announced", { skip }, async () => {
  // The first visitor's page loads again by itself until it has all parts.
  await client.get("/ui/");
  const tab = await visit(gantry.url);
  await tab.page.goto("/ui/");
  await tab.page.evaluate("window.isSamePage = true");
  const name = newName("live");
  await client.pushImage(name, image(), "v1");
  await repositoryLink(tab.page, name);
  assert.equal(await tab.page.evaluate("window.isSamePage"), true);
  assert.match(
    (await tab.page.locator("body > [role=status]").textContent()) ?? "",
    /was pushed|was updated/,
  );
  await assertAccessible(tab, "after an update");
  assert.deepEqual(tab.problems, []);
});

test("focus, scroll position and selected text stay", { skip }, async () => {
  for (let n = 0; n < 60; n++) await client.pushImage(`focus-${n}`, image(), "v1");
  const tab = await visit(gantry.url);
  const { page } = tab;
  await page.goto("/ui/");
  const link = page.getByRole("main").getByRole("link", { name: "focus-5", exact: true });
  await link.focus();
  const before = await page.evaluate<number>("(scrollTo(0, 200), scrollY)");
  const name = newName("zz-live");
  await client.pushImage(name, image(), "v1");
  await repositoryLink(page, name);
  assert.equal(await page.evaluate("document.activeElement.textContent"), "focus-5");
  assert.equal(await page.evaluate("scrollY"), before);
  // Selected text delays the update until it is not selected any more.
  await page.evaluate("getSelection().selectAllChildren(document.querySelector('main h1'))");
  const later = newName("zz-later");
  await client.pushImage(later, image(), "v1");
  await page.waitForTimeout(2_000);
  assert.equal(await page.getByRole("main").getByRole("link", { name: later }).count(), 0);
  await page.evaluate("getSelection().removeAllRanges()");
  await repositoryLink(page, later);
  assert.deepEqual(tab.problems, []);
});

test("a hidden page holds no stream, and is current when it is shown again", { skip }, async () => {
  const tab = await visit(gantry.url);
  const { page } = tab;
  const streams: string[] = [];
  page.on("request", (request) => {
    if (request.url().includes("/ui/events")) streams.push(request.url());
  });
  await page.goto("/ui/");
  const set = (state: string) =>
    page.evaluate(
      `Object.defineProperty(document, "visibilityState", { value: "${state}", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"))`,
    );
  await set("hidden");
  const name = newName("hidden");
  await client.pushImage(name, image(), "v1");
  await page.waitForTimeout(1_500);
  assert.equal(await page.getByRole("main").getByRole("link", { name }).count(), 0);
  await set("visible");
  await repositoryLink(page, name);
  assert.equal(streams.length, 2);
});

test("the theme changes by its button, and stays", { skip }, async () => {
  const tab = await visit(gantry.url, { theme: "light" });
  const { page } = tab;
  await page.goto("/ui/");
  const background = () => page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
  const light = await background();
  const button = page.getByRole("button", { name: "Theme:" });
  assert.equal(await button.textContent(), "Theme: auto");
  await button.click();
  await button.click();
  assert.equal(await button.textContent(), "Theme: dark");
  const dark = await background();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await background(), dark);
  await assertAccessible(tab, "the dark theme");
  const without = await visit(gantry.url, { scripts: false });
  await without.page.goto("/ui/");
  assert.equal(await without.page.getByRole("button", { name: "Theme:" }).count(), 0);
});

test("the search follows what is typed, with the keyboard, and the address too", { skip }, async () => {
  const name = newName("searched");
  await client.pushImage(name, image(), "v1");
  const tab = await visit(gantry.url);
  const { page } = tab;
  await page.goto(`/ui/`);
  await page.keyboard.press("/");
  await page.keyboard.type(name, { delay: 5 });
  await page.waitForURL(`**/ui/?q=${name}`);
  await repositoryLink(page, name);
  assert.equal(await page.evaluate("document.activeElement.value"), name, "the field keeps the focus");
  await page.getByRole("searchbox").fill("");
  await page.waitForURL("**/ui/");
  assert.deepEqual(tab.problems, []);
});

test("ticked boxes, chosen options and typed text stay, and a new row is marked", { skip }, async () => {
  const name = newName("forms");
  await client.pushImage(name, image(), "v1");
  const tab = await visit(gantry.url);
  const { page } = tab;
  await page.goto(`/ui/r/${name}/_tags`);
  const main = page.getByRole("main");
  await main.getByRole("checkbox").check();
  await main.getByRole("combobox").selectOption({ index: 1 });
  const chosen = await main.getByRole("combobox").inputValue();
  const filter = main.getByRole("searchbox");
  await filter.fill("v");
  await client.pushImage(name, image(), "v2");
  await page.waitForTimeout(1_500);
  assert.equal(
    await main.getByRole("link", { name: "v2", exact: true }).count(),
    0,
    "it waits for the typist",
  );
  await main.getByRole("checkbox").focus();
  await main.getByRole("link", { name: "v2", exact: true }).waitFor();
  assert.equal(await filter.inputValue(), "v");
  assert.equal(await main.getByRole("combobox").inputValue(), chosen);
  const ticked = await main
    .getByRole("checkbox")
    .evaluateAll((boxes) =>
      boxes.map((box) => Reflect.get(box, "checked") === true && Reflect.get(box, "value")),
    );
  assert.deepEqual(ticked.toSorted(), [false, "v1"].toSorted());
  assert.equal(await main.locator("tr.fresh").count(), 1);
  assert.match((await main.locator("tr.fresh").textContent()) ?? "", /v2/);
  assert.deepEqual(tab.problems, []);
});
