// The history of a tag and the way back, in a real browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertAccessible, noBrowser, visit } from "../support/browser.js";
import { serve } from "../support/client.js";
import { image, newName } from "../support/content.js";

const { client } = await serve({ REGISTRY_STORAGE_DELETE_ENABLED: "true" });

async function targetOf(name: string, tag: string): Promise<string | undefined> {
  const answer = await client.head(`/v2/${name}/manifests/${tag}`);
  return answer.headers["docker-content-digest"] as string | undefined;
}

test("a tag is pointed to an earlier image again, without scripts", { skip: noBrowser }, async () => {
  const name = newName("team/app");
  const [first, second] = [image(), image()];
  await client.pushImage(name, first, "live");
  await client.pushImage(name, second, "live");
  const tab = await visit(client.url, { scripts: false });
  const { page } = tab;
  await page.goto(`/ui/r/${name}/_history/live`);
  await page.getByRole("link", { name: "Roll back to this image" }).click();
  await page.getByRole("button", { name: "Roll back" }).click();
  await page.getByRole("heading", { name: "History of live" }).waitFor();
  assert.equal(await targetOf(name, "live"), first.digest);
  await page.getByText("The tag was rolled back.").waitFor();
  await page.locator("tbody tr").nth(2).waitFor();
  assert.equal(await page.locator("tbody tr").count(), 3);
  const actions = page.getByRole("link", { name: "Roll back to this image" });
  assert.equal(await actions.count(), 1, "none to the image that is current");
  assert.deepEqual(tab.problems, []);
});

test("a confirmation does not undo a push that came meanwhile", { skip: noBrowser }, async () => {
  const name = newName("team/app");
  const [first, second, third] = [image(), image(), image()];
  await client.pushImage(name, first, "live");
  await client.pushImage(name, second, "live");
  const tab = await visit(client.url);
  const { page } = tab;
  await page.goto(`/ui/r/${name}/_history/live`);
  await assertAccessible(tab, "history");
  await page.getByRole("link", { name: "Roll back to this image" }).click();
  await page.getByRole("heading", { name: "Roll back live?" }).waitFor();
  await assertAccessible(tab, "confirmation");
  await client.pushImage(name, third, "live");
  await page.getByRole("button", { name: "Roll back" }).click();
  await page.getByRole("heading", { name: "This has changed since you loaded the page" }).waitFor();
  assert.equal(await targetOf(name, "live"), third.digest);
});

test("a removed tag comes back", { skip: noBrowser }, async () => {
  const name = newName("team/app");
  const made = image();
  await client.pushImage(name, made, "gone");
  await client.pushImage(name, image(), "other");
  assert.equal((await client.delete(`/v2/${name}/manifests/gone`)).status, 202);
  const tab = await visit(client.url);
  const { page } = tab;
  await page.goto(`/ui/r/${name}/_tags`);
  await page.getByRole("link", { name: "Removed tags" }).click();
  await assertAccessible(tab, "removed tags");
  await page.getByRole("link", { name: "gone" }).click();
  await page.getByRole("link", { name: "Roll back to this image" }).first().click();
  await page.getByRole("button", { name: "Roll back" }).click();
  await page.getByRole("heading", { name: "History of gone" }).waitFor();
  assert.equal(await targetOf(name, "gone"), made.digest);
});

test("the removed tags of an unknown repository are not found, and those of one without content are", async () => {
  const name = newName("team/app");
  assert.equal((await client.get(`/ui/r/${name}/_removed`)).status, 404);
  await client.pushImage(name, image(), "gone");
  assert.match((await client.get(`/ui/r/${name}/_removed`)).body.toString(), /was removed lately/);
  assert.equal((await client.delete(`/v2/${name}/manifests/gone`)).status, 202);
  assert.match((await client.get(`/ui/r/${name}/_removed`)).body.toString(), /_history\/gone/);
});
