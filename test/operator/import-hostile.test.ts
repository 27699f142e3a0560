// Import from a malicious registry: resources are bounded, it leads to no internal address, and its texts are escaped for
// terminals. Valid content is still imported.

import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ImportReport } from "../../src/registry/import/report.js";
import { serve } from "../support/client.js";
import { gantry } from "../support/command.js";
import { blobOf, descriptorOf, image, index, types } from "../support/content.js";
import { frontOf } from "../support/front.js";

const { gantry: source, client } = await serve();
const layer = blobOf(100_000);
const good = image({ layers: [descriptorOf(layer, types.layer)] });
await client.pushBlobs("team/app", layer);
await client.pushImage("team/app", good, "v1");

async function importFrom(hook: (incoming: IncomingMessage, response: ServerResponse) => boolean) {
  const front = await frontOf(source.url, { hook });
  const root = await mkdtemp(join(tmpdir(), "gantry-import-hostile-"));
  after(() => rm(root, { recursive: true, force: true }));
  const ran = await gantry(root, ["import", "--from-registry", front.url, "--json"]);
  assert.notEqual(ran.stdout, "", ran.stderr);
  const report = ran.json<ImportReport>();
  return { front, root, report, what: report.problems.map(({ what }) => what).join("\n") };
}

test("endless referrers are read up to a bound", async () => {
  let pages = 0;
  const entries = JSON.stringify({ manifests: Array.from({ length: 1000 }, () => ({ digest: "none" })) });
  const { report, what } = await importFrom(({ url = "" }, response) => {
    if (!url.includes("/referrers/")) return false;
    response.setHeader("Link", `<${url.split("?")[0]}?page=${++pages}>; rel="next"`).end(entries);
    return true;
  });
  assert.match(what, /has more than 10000 entries/);
  assert.equal(pages, 11);
  assert.equal(report.tags.imported, 1);
});

for (const [what, location, said] of [
  ["an inner address", "http://169.254.169.254/latest/meta-data", /leads to 169\.254\.169\.254/],
  ["an invalid URL", "http://[", /redirects to an invalid URL/],
  ["another protocol", "file:///etc/passwd", /redirects to an invalid URL/],
] as const)
  test(`a redirect to ${what} is not followed`, async () => {
    const { report, what: problems } = await importFrom(({ url = "" }, response) => {
      if (!url.endsWith(`/blobs/${layer.digest}`)) return false;
      response.writeHead(307, { Location: location }).end();
      return true;
    });
    assert.match(problems, said);
    assert.deepEqual([report.manifests.imported, report.complete], [0, true]);
  });

const ofLayer = `/blobs/${layer.digest}`;

test("a blob that never ends is read up to its descriptor's size, and nothing of it is left", async () => {
  let sent = 0;
  const { root, report, what } = await importFrom(({ url = "" }, response) => {
    if (!url.endsWith(ofLayer)) return false;
    const endless = Buffer.alloc(64 * 1024);
    const send = () => {
      while (!response.destroyed) {
        sent += endless.length;
        if (!response.write(endless)) break;
      }
    };
    response.on("drain", send);
    send();
    return true;
  });
  assert.match(what, /is longer than its descriptor: 100000 bytes/);
  assert.equal(report.problems[0]?.digest, layer.digest);
  assert.deepEqual([report.manifests.imported, report.complete], [0, true]);
  assert.deepEqual(await readdir(join(root, "uploads")), []);
  // The buffers of both ends hold as much.
  assert.ok(sent < 20_000_000, `${sent} bytes were taken`);
});

for (const [what, status, headers] of [
  ["a redirect", 307, { Location: `/v2/team/app${ofLayer}?again` }],
  ["an error", 404, {}],
] as const)
  test(`the body of ${what} is not awaited when it trickles`, async () => {
    const { report } = await importFrom(({ url = "" }, response) => {
      if (!url.endsWith(ofLayer)) return false;
      response.writeHead(status, headers);
      const trickle = setInterval(() => response.write("x"), 100);
      response.on("close", () => clearInterval(trickle));
      return true;
    });
    assert.equal(report.manifests.imported, status === 307 ? 1 : 0);
  });

test("a registry whose pages never end differently does not break the import", async () => {
  const { report } = await importFrom(({ url = "" }, response) => {
    if (!url.includes("/referrers/")) return false;
    response.setHeader("Link", '<http://[>; rel="next"').end('{"manifests":[]}');
    return true;
  });
  assert.deepEqual([report.tags.imported, report.problems.length], [1, 1]);
});

const escapes = ["\u001b[2Jgone", "\u009b2J", "x\u202etxt", "x".repeat(100_000), "a\nb"];

test("tag names that move the cursor are shown escaped and cut", async () => {
  const hook = ({ url = "" }: IncomingMessage, response: ServerResponse) => {
    if (!url.includes("/tags/list")) return false;
    response.end(JSON.stringify({ tags: ["v1", ...escapes] }));
    return true;
  };
  const { front, root, report } = await importFrom(hook);
  assert.equal(report.tags.imported, 1);
  const ran = await gantry(root, ["import", "--from-registry", front.url]);
  for (const text of [ran.stdout, ran.stderr, ...report.odd.map(({ what }) => what)]) {
    assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\p{Cf}]/u);
    assert.ok(text.length < 10_000);
  }
  assert.match(ran.stdout, /\\u001b\[2Jgone/);
  assert.ok(report.odd.some(({ what }) => what.endsWith("a\\nb")));
});

test("a token that cannot be sent is refused", async () => {
  let url = "";
  const front = await frontOf(source.url, {
    hook: (incoming, response) => {
      if (incoming.url?.startsWith("/token")) response.end(JSON.stringify({ token: "a\r\nb: c" }));
      else response.writeHead(401, { "WWW-Authenticate": `Bearer realm="${url}/token"` }).end();
      return true;
    },
  });
  url = front.url;
  const root = await mkdtemp(join(tmpdir(), "gantry-import-hostile-"));
  after(() => rm(root, { recursive: true, force: true }));
  const ran = await gantry(root, ["import", "--from-registry", front.url]);
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /returned no token/);
});

for (const [what, indexes, filler, said] of [
  ["endlessly nested", 102, "", /nested more than 100 deep; copy the image with another client/],
  ["large nested", 8, "x".repeat(3_900_000), /indexes that lead to it have more than 20971520 bytes; copy/],
] as const)
  test(`${what} indexes are read up to a bound`, async () => {
    const tag = what.replace(" ", "-");
    await client.pushBlobs("deep/app", layer);
    await client.pushImage("deep/app", good);
    let nested = good;
    for (let count = 0; count < indexes; count++) {
      nested = index([nested], { annotations: { filler } });
      await client.pushImage("deep/app", nested);
    }
    await client.pushImage("deep/app", nested, tag);
    after(() => client.delete(`/v2/deep/app/manifests/${tag}`));
    const { report, what: problems } = await importFrom(({ url = "" }, response) => {
      if (!url.includes("deep/app/tags/list")) return false;
      response.end(JSON.stringify({ tags: [tag] }));
      return true;
    });
    assert.match(problems, said);
    assert.equal(report.complete, true);
  });
