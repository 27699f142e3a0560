// Deleting tags, in a real browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { assertAccessible, noBrowser, visit } from "../support/browser.js";
import { serve } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { whole } from "./crawl.js";

const { client } = await serve({ REGISTRY_STORAGE_DELETE_ENABLED: "true" });

/** The page does what it does while parts of it are still computed. */
async function loadAgain(page: Page): Promise<void> {
  const main = page.locator("main");
  assert.equal(await main.getAttribute("data-live"), null);
  await main.evaluate("element => (element.dataset.pending = element.dataset.old = '')");
  await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))");
  await page.locator("main:not([data-old])").waitFor();
}

async function tagsOf(name: string): Promise<unknown> {
  return (await client.get(`/v2/${name}/tags/list`)).json();
}

test("selected tags are deleted after a page that says what goes, without scripts", {
  skip: noBrowser,
}, async () => {
  const name = newName("team/app");
  const shared = image();
  await client.pushImage(name, shared, "a");
  await client.pushImage(name, shared, "b");
  await client.pushImage(name, image(), "c");
  await client.pushImage(name, image(), "form");
  const tab = await visit(client.url, { scripts: false });
  const { page } = tab;
  await page.goto(`/ui/r/${name}/_tags`);
  await whole(tab);
  for (const tag of ["a", "c", "form"]) await page.getByRole("checkbox", { name: tag, exact: true }).check();
  await page.getByRole("button", { name: "Delete selected tags" }).click();
  await whole(tab);
  await page.getByRole("heading", { name: "Delete 3 tags?" }).waitFor();
  await page.getByText("After that, 2 manifests and 4 blobs").waitFor();
  await page.getByRole("button", { name: "Delete 3 tags" }).click();
  await page.getByRole("heading", { name }).waitFor();
  await page.getByText("Deleted: form, c, a.").waitFor();
  await page.getByRole("status").getByRole("link", { name: "Removed tags" }).waitFor();
  assert.deepEqual(await tagsOf(name), { name, tags: ["b"] });
  assert.deepEqual(tab.problems, []);
});

test("deleting without a selection leads back to the tags", { skip: noBrowser }, async () => {
  const name = newName("team/app");
  await client.pushImage(name, image(), "a");
  const tab = await visit(client.url, { scripts: false });
  const { page } = tab;
  await page.goto(`/ui/r/${name}/_tags`);
  await whole(tab);
  await page.getByRole("button", { name: "Delete selected tags" }).click();
  await page.getByText("Select the tags to delete first.").waitFor();
  await page.getByRole("checkbox", { name: "a", exact: true }).waitFor();
});

test("a tag that moves while its deletion is confirmed stays, and so do the others", {
  skip: noBrowser,
}, async () => {
  const name = newName("team/app");
  for (const tag of ["a", "b"]) await client.pushImage(name, image(), tag);
  const path = `/ui/r/${name}/_delete?tag=a&tag=b`;
  const withScripts = await visit(client.url);
  await withScripts.page.goto(`/ui/r/${name}/_delete`);
  await withScripts.page.getByText("Select the tags to delete first.").waitFor();
  await whole(withScripts);
  await assertAccessible(withScripts, "nothing selected");
  await withScripts.page.goto(path);
  await whole(withScripts);
  await assertAccessible(withScripts, "confirmation");
  for (const scripts of [false, true]) {
    const { page } = await visit(client.url, { scripts });
    await page.goto(path);
    await whole({ page });
    await client.pushImage(name, image(), "b");
    if (scripts) await loadAgain(page);
    await page.getByRole("button", { name: "Delete 2 tags" }).click();
    await page.getByRole("heading", { name: "This has changed since you loaded the page" }).waitFor();
    assert.deepEqual(await tagsOf(name), { name, tags: ["a", "b"] });
    await page.getByRole("link", { name: "Look at it again" }).click();
    await page.getByRole("heading", { name: "Delete 2 tags?" }).waitFor();
  }
});
