// Rendering pages must not make promises slower.

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { loadPages } from "../../src/http/web/load-pages.js";

test("pages are rendered outside of any AsyncLocalStorage", async (context) => {
  const run = context.mock.method(AsyncLocalStorage.prototype, "run");
  const { getBuiltinModule, mainModule } = process;
  await loadPages();
  const { jsx } = await import("hono/jsx/jsx-runtime");
  const page = jsx("html", {
    children: [jsx("head", { children: "" }), jsx("svg", {}), jsx("p", { children: "a<b" })],
  });
  assert.equal(String(page), "<html><head></head><svg></svg><p>a&lt;b</p></html>");
  assert.equal(run.mock.callCount(), 0);
  assert.equal(process.getBuiltinModule, getBuiltinModule);
  assert.equal(process.mainModule, mainModule);
});
