// Finding one's way from the registry to an image, in a real browser.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { assertAccessible, noBrowser, visit } from "../support/browser.js";
import { serve } from "../support/client.js";
import { image } from "../support/content.js";
import { whole } from "./crawl.js";

const { client } = await serve();

before(async () => {
  for (const tag of ["v1.9.0", "v1.10.0", "latest"])
    await client.pushImage("team/app", image({ layers: 2 }), tag);
  await client.pushImage("team/tools/lint", image(), "v1");
  await client.pushImage("alpine", image(), "3.22");
});

const scripts = [true, false] as const;

for (const withScripts of scripts) {
  test(`repositories are found by namespace ${withScripts ? "with" : "without"} scripts`, {
    skip: noBrowser,
  }, async () => {
    const tab = await visit(client.url, { scripts: withScripts });
    const { page } = tab;
    await page.goto("/");
    await page.getByRole("link", { name: "team/" }).click();
    await page.getByRole("link", { name: "tools/" }).click();
    await page.getByRole("link", { name: "lint" }).click();
    await page.getByRole("heading", { name: "team/tools/lint" }).waitFor();
    await page.getByRole("link", { name: "team", exact: true }).click();
    await page.getByRole("link", { name: "app" }).waitFor();
    assert.deepEqual(tab.problems, []);
  });
}

test("a repository is found by a part of its name", { skip: noBrowser }, async () => {
  const tab = await visit(client.url);
  const { page } = tab;
  await page.goto("/");
  await page.getByRole("searchbox").fill("LINT");
  await page.getByRole("searchbox").press("Enter");
  await page.getByRole("link", { name: "team/tools/lint" }).waitFor();
  assert.equal(await page.getByRole("main").getByRole("link").count(), 1);
});

test("tags are sorted, filtered and shown page by page", { skip: noBrowser }, async () => {
  const tab = await visit(client.url);
  const { page } = tab;
  await page.goto("/ui/r/team/app/_tags");
  await whole(tab);
  const shown = () => page.locator("tbody tr a[id]").allTextContents();
  assert.deepEqual(await shown(), ["latest", "v1.10.0", "v1.9.0"]);
  await page.getByLabel("Sort").selectOption("Highest version first");
  await page.getByRole("button", { name: "Show" }).click();
  await whole(tab);
  assert.deepEqual(await shown(), ["v1.10.0", "v1.9.0", "latest"]);
  await page.getByLabel("Filter").fill("1.9");
  await page.getByLabel("Filter").press("Enter");
  await whole(tab);
  assert.deepEqual(await shown(), ["v1.9.0"]);
  assert.deepEqual(tab.problems, []);
});

for (const theme of ["light", "dark"] as const)
  test(`the pages are accessible in the ${theme} theme`, { skip: noBrowser }, async () => {
    const tab = await visit(client.url, { theme });
    for (const path of [
      "/",
      "/ui/?in=team",
      "/ui/?q=app",
      "/ui/?q=nothing-has-this-name",
      "/ui/r/team/app/_tags",
      "/ui/r/team/app/_untagged",
      "/ui/nothing",
    ]) {
      await tab.page.goto(path);
      await whole(tab);
      await assertAccessible(tab, path);
    }
  });

for (const path of ["/ui/r/team/app", "/ui/r/team/app/", "/ui/r/team/app/_tags/"])
  test(`${path} leads to the tags`, async () => {
    const { status, headers } = await client.get(path);
    assert.deepEqual([status, headers.location], [303, "/ui/r/team/app/_tags"]);
  });

test("an unknown path below a repository is not found", async () => {
  for (const path of ["/ui/r/team/app/_nothing", "/ui/r/team/app/_nothing/", "/ui/r/", "/ui/r/_tags"])
    assert.equal((await client.get(path)).status, 404, path);
});

test("the level of a repository's name leads to the repository", async () => {
  const page = (await client.get("/ui/?in=team/app")).body.toString();
  assert.ok(page.includes('<a href="/ui/r/team/app/_tags">The repository team/app</a>'), page);
  assert.doesNotMatch(page, /No repository below/);
  assert.match((await client.get("/ui/?in=team/none")).body.toString(), /No repository below team\/none/);
});
