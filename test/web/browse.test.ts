import assert from "node:assert/strict";
import { test } from "node:test";
import { assertAccessible, noBrowser, visit } from "../support/browser.js";
import { serve } from "../support/client.js";
import { image } from "../support/content.js";

const { client } = await serve();

test("a pushed image is found in a browser", { skip: noBrowser }, async () => {
  await client.pushImage("team/app", image({ layers: 2 }), "v1");
  const tab = await visit(client.url);
  await tab.page.goto("/");
  await tab.page.getByRole("link", { name: "team" }).waitFor();
  await assertAccessible(tab, "the home page");
  assert.deepEqual(tab.problems, []);
});
