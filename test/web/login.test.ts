import assert from "node:assert/strict";
import { test } from "node:test";
import { assertAccessible, assertFits, noBrowser, visit } from "../support/browser.js";
import { serve } from "../support/client.js";
import { LoginFiles } from "../support/login.js";

const files = await LoginFiles.make();
await files.users({ alice: "alice's" });
await files.policy(`
robots: { users: alice }
rules: [{ repositories: "**", users: alice, allow: admin }]
`);
const { client } = await serve({ ...files.settings, REGISTRY_HTTP_UI_ENABLED: "true" });

for (const { scripts, size } of [
  { scripts: true, size: "desktop" },
  { scripts: false, size: "phone" },
] as const)
  test(`somebody logs in, creates and revokes a robot, and logs out (${size})`, {
    skip: noBrowser,
  }, async () => {
    const tab = await visit(client.url, { scripts, size });
    const { page } = tab;
    const look = async (what: string) => {
      // axe is a script.
      if (scripts) await assertAccessible(tab, what);
      await assertFits(tab, what);
    };
    await page.goto("/ui/robots");
    await page.getByLabel("Name").fill("alice");
    await page.getByLabel("Password").fill("alice's");
    await look("the login");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "Robots", exact: true }).waitFor();
    await page.getByLabel("Name", { exact: true }).fill("web");
    await page.getByLabel("Repositories", { exact: true }).fill("team/web/**");
    await look("the robots");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("heading", { name: "Create robot-web?" }).waitFor();
    await look("the confirmation");
    await page.getByRole("button", { name: "Create" }).dblclick();
    await page.getByText(/^gantry_[\w-]{43}$/).waitFor();
    await look("the key");
    await page.getByRole("link", { name: "All robots" }).click();
    await page.getByRole("link", { name: "Revoke robot-web" }).click();
    await page.getByRole("button", { name: "Revoke" }).click();
    await page.getByText("There are no robots yet.").waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByText("Log in to see what it contains").waitFor();
    await page.goto("/ui/");
    await page.getByRole("heading", { name: "Log in" }).waitFor();
    assert.deepEqual(tab.problems, []);
  });
