// The page of activity and storage: right figures, across a restart, for those who may read the metrics.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { assertAccessible, assertFits, noBrowser, visit } from "../support/browser.js";
import { Client, serve } from "../support/client.js";
import { gantry as command } from "../support/command.js";
import { blobOf, image, imageOf, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { startInside } from "../support/inside.js";
import { eventually } from "../support/store.js";
import { loggedIn, Visitor } from "../support/visitor.js";
import { operatorAndReader } from "./operator-and-reader.js";

const path = "/ui/activity";

/** The figure of a plot. */
function figureOf(page: string, title: string): string | undefined {
  return new RegExp(`<figcaption>${title} <span class="note">([^<]*)</span>`).exec(page)?.[1];
}

const textOf = async (client: Pick<Client, "get">, at = path) => (await client.get(at)).body.toString();

test("pushes, pulls and bytes are counted, and survive a restart", async () => {
  const root = await mkdtemp(join(tmpdir(), "gantry-activity-"));
  after(() => rm(root, { recursive: true, force: true }));
  const made = image({ layers: 2 });
  const received = made.bytes.length + made.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);
  {
    await using server = await startInside({}, root);
    const client = new Client(server.url);
    await client.pushImage("team/app", made, "v1");
    for (let n = 0; n < 5; n++) assert.equal((await client.get("/v2/team/app/manifests/v1")).status, 200);
    // Neither asking whether it exists nor a missing one is a pull.
    assert.equal((await client.head("/v2/team/app/manifests/v1")).status, 200);
    assert.equal((await client.get("/v2/team/app/manifests/v2")).status, 404);
    const page = await textOf(client);
    assert.equal(figureOf(page, "Pulled manifests"), "5, peak 5 per 15 min");
    assert.equal(figureOf(page, "Pushed manifests"), "1, peak 1 per 15 min");
    assert.equal(figureOf(page, "Received"), `${received} B, peak ${received} B per 15 min`);
    assert.match(figureOf(page, "Manifests") ?? "", /^100% of \d+ lookups$/);
  }
  await using server = await startInside({}, root);
  const client = new Client(server.url);
  await client.get("/v2/team/app/manifests/v1");
  const page = await textOf(client);
  assert.match(figureOf(page, "Pulled manifests") ?? "", /^6,/);
  assert.match(figureOf(page, "Pushed manifests") ?? "", /^1,/);
});

test("the figures of several processes survive restarts, also with another number of them", {
  timeout: 60_000,
}, async () => {
  const root = await mkdtemp(join(tmpdir(), "gantry-activity-"));
  after(() => rm(root, { recursive: true, force: true }));
  const pushes = 24;
  for (const [restarts, processes] of [3, 1, 2, 3].entries()) {
    await using server = await startGantry({ REGISTRY_HTTP_PROCESSES: String(processes) }, root);
    const page = await textOf(new Client(server.url));
    const found = figureOf(page, "Pushed manifests") ?? "";
    assert.equal(found.split(",")[0], String(restarts * pushes), `after ${restarts} restarts`);
    // Each on a connection of its own, so that every process has some.
    for (let n = 0; n < pushes; n++)
      await new Client(server.url, 1).pushImage(newName("team/app"), image(), "v1");
  }
});

const { gantry, client } = await serve();

async function computed(of: Pick<Client, "get">, at = path): Promise<string> {
  return eventually(
    "the figures of the storage",
    async () => {
      const page = await textOf(of, at);
      return page.includes("gantry stats") && !page.includes("data-pending") ? page : undefined;
    },
    20_000,
  );
}

test("the storage figures are those of the command", async () => {
  const shared = blobOf(50_000);
  for (const [name, bytes] of [
    ["big", 90_000],
    ["small", 10],
  ] as const) {
    const own = imageOf(blobOf(JSON.stringify({ name })), [shared, blobOf(bytes)]);
    await client.pushImage(`space/${name}`, own, "v1");
  }
  const page = await computed(client);
  const stats = (await command(gantry.root, ["stats", "--json"])).json<{
    repositories: { name: string; bytes: number; sharedBytes: number; uniqueBytes: number }[];
    storedBytes: number;
    logicalBytes: number;
    dedupeRatio: number;
  }>();
  const rows = [...page.matchAll(/<tr><td><a href="\/ui\/r\/([^"]*)\/_tags">.*?<\/tr>/g)].map(
    ([row, name]) => ({
      name,
      figures: [...row.matchAll(/title="(\d+) bytes"/g)].map(([, bytes]) => Number(bytes)),
    }),
  );
  const expected = stats.repositories
    .toSorted((a, b) => b.bytes - a.bytes)
    .map(({ name, bytes, sharedBytes, uniqueBytes }) => ({
      name,
      figures: [bytes, sharedBytes, uniqueBytes],
    }));
  assert.deepEqual(rows, expected);
  assert.equal(rows[0]?.name, "space/big");
  assert.ok(page.includes(`title="${stats.storedBytes} bytes"`), "the stored bytes");
  assert.ok(page.includes(`title="${stats.logicalBytes} bytes"`), "the bytes without sharing");
  assert.ok(page.includes(`${stats.dedupeRatio.toFixed(2)} times`), "the ratio");
});

test("many repositories are shown by pages below 50 KB", async () => {
  await using server = await startInside();
  const crowded = new Client(server.url);
  const made = image();
  const names = Array.from({ length: 65 }, (_, n) => `${"long-name/".repeat(24)}app${n}`);
  for (const name of names) await crowded.pushImage(name, made, "v1");
  const sizes: number[] = [];
  const seen = new Set<string>();
  for (const page of [1, 2, 3]) {
    const text = await computed(crowded, `${path}?page=${page}`);
    sizes.push(Buffer.byteLength(text));
    for (const [, name] of text.matchAll(/href="\/ui\/r\/([^"]*)\/_tags"/g)) seen.add(name ?? "");
  }
  assert.deepEqual([...seen].toSorted(), names.toSorted());
  assert.ok(Math.max(...sizes) < 50_000, `${sizes} bytes`);
  for (const page of ["0", "-1", "x", "99999999", "4"])
    assert.equal((await crowded.get(`${path}?page=${page}`)).status, 200);
});

test("only those who may read the metrics see the page and the way to it", async () => {
  await using server = await startInside(await operatorAndReader("team/**"));
  const [operator, reader] = [
    await loggedIn(server.url, "operator", "1"),
    await loggedIn(server.url, "reader", "2"),
  ];
  const guest = new Visitor(server.url);
  assert.equal((await operator.get(path)).status, 200);
  assert.ok((await operator.get("/ui/")).body.toString().includes(`href="${path}"`));
  assert.equal((await reader.get(path)).status, 403);
  assert.equal((await reader.get("/ui/")).body.toString().includes(`href="${path}"`), false);
  assert.equal((await guest.get(path)).status, 303);
});

test("the page is accessible, and fits on a phone", { skip: noBrowser }, async () => {
  await client.pushImage(newName("seen"), image(), "v1");
  for (const [theme, size] of [
    ["light", "desktop"],
    ["dark", "phone"],
  ] as const) {
    const tab = await visit(gantry.url, { theme, size });
    await tab.page.goto(path);
    await tab.page.getByText("Computed").waitFor();
    await tab.page.getByText("The figures by hour").click();
    await assertAccessible(tab, `${theme}, ${size}`);
    await assertFits(tab, `${theme}, ${size}`);
    assert.deepEqual(tab.problems, []);
  }
});
