import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { renderReference } from "../../src/config/reference.js";

test("docs/configuration.md matches the schema", async () => {
  const page = await readFile(new URL("../../../docs/configuration.md", import.meta.url), "utf8");
  assert.equal(page, renderReference(), "npm run docs:config writes it");
});
