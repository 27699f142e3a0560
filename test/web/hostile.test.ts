// Content that attacks whoever looks at it.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { assertFits, noBrowser, type Visit, visit } from "../support/browser.js";
import { serve } from "../support/client.js";
import { crawl } from "./crawl.js";
import { pushHostile } from "./hostile-content.js";
import { hostileTexts } from "./hostile-texts.js";

const { client } = await serve();

let repositories: string[] = [];

before(async () => {
  repositories = await pushHostile(client);
});

/** Finds what hostile content has put into the page, although it did not run. */
const intruders = `(() => {
  const found = [];
  const isHarmless = (address) => {
    const { origin, protocol, pathname } = new URL(address, document.baseURI);
    // What content names lies elsewhere, and only whole addresses lead there.
    if (origin !== location.origin) return /^(?:https?:\\/\\/|mailto:)/.test(address);
    return protocol === location.protocol && /^\\/(?:ui(?:\\/|$)|$)/.test(pathname);
  };
  for (const element of document.querySelectorAll("*")) {
    for (const { name, value } of element.attributes) {
      if (name.startsWith("on") || name === "style" || name === "srcdoc") found.push(element.tagName + " " + name);
      if (/^(?:href|src|action|formaction|data|ping)$/.test(name) && !isHarmless(value))
        found.push(element.tagName + " " + name + "=" + value.slice(0, 100));
    }
    if (/^(?:IFRAME|OBJECT|EMBED|BASE|MATH|IMG|STYLE|TEMPLATE)$/i.test(element.tagName)) found.push(element.tagName);
  }
  for (const script of document.scripts)
    if (!script.src.startsWith(location.origin + "/ui/page.js")) found.push("script " + script.src);
  for (const form of document.forms)
    if (!form.action.startsWith(location.origin + "/ui/")) found.push("form " + form.action);
  return found;
})()`;

async function assertHarmless({ page, problems }: Visit, path: string): Promise<void> {
  assert.deepEqual(await page.evaluate(intruders), [], path);
  assert.deepEqual(problems, [], path);
  assert.notEqual(await page.title(), "run", path);
}

test("no page runs, loads or becomes what content says", { skip: noBrowser }, async () => {
  const tab = await visit(client.url, { size: "phone" });
  const kinds = await crawl(tab, {
    from: ["/", ...repositories.map((name) => `/ui/r/${name}/_tags`)],
    perKind: 40,
    onPage: async (path) => {
      await assertHarmless(tab, path);
      await assertFits(tab, path);
    },
  });
  for (const kind of ["/ui/r/<name>/_tags", "/ui/r/<name>/_image", "/ui/r/<name>/_history"])
    assert.ok((kinds.get(kind) ?? 0) > 0, `no page ${kind} was seen: ${[...kinds.keys()].join(", ")}`);
});

test("no page runs what its address says", { skip: noBrowser }, async () => {
  const tab = await visit(client.url);
  for (const text of hostileTexts) {
    const value = encodeURIComponent(Buffer.from(text.slice(0, 1000)).toString());
    for (const path of [
      `/ui/?q=${value}`,
      `/ui/?in=${value}`,
      `/ui/login?to=${value}`,
      `/ui/${value}`,
      `/ui/r/${value}/_tags`,
    ]) {
      // A page before may lead on by itself at the same time.
      await tab.page.goto(path).catch(() => tab.page.goto(path));
      tab.problems.splice(
        0,
        tab.problems.length,
        ...tab.problems.filter((problem) => !/status of 4\d\d/.test(problem)),
      );
      await assertHarmless(tab, path);
    }
  }
});
