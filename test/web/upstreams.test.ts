// The page of upstream caches: the figures of the commands, what an upstream answers, and nothing of what a visitor may not pull.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertAccessible, assertFits, noBrowser, visit } from "../support/browser.js";
import { Client, serve } from "../support/client.js";
import { gantry as command } from "../support/command.js";
import { image } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { basic } from "../support/login.js";
import { eventually } from "../support/store.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";
import { loggedIn } from "../support/visitor.js";
import { operatorAndReader } from "./operator-and-reader.js";

const path = "/ui/upstreams";
const upstream = await ScriptedUpstream.start();
const settings = cacheOf(upstream, { tagttl: "1h", maxmib: 100 });
const { gantry, client } = await serve(settings);

async function pull(
  from: Client,
  name: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const made = image();
  upstream.add(name, made, "1");
  for (const of of [`manifests/1`, ...made.blobs.map(({ digest }) => `blobs/${digest}`)])
    assert.equal((await from.get(`/v2/${name}/${of}`, headers)).status, 200);
}

function computed(of: Pick<Client, "get">): Promise<string> {
  return eventually(
    "the figures of the caches",
    async () => {
      const page = (await of.get(path)).body.toString();
      return page.includes("Counted") && !page.includes("data-pending") ? page : undefined;
    },
    20_000,
  );
}

test("an empty cache shows how to pull through it, and no push that it would refuse", async () => {
  const empty = await serve(settings);
  const { host } = new URL(empty.client.url);
  const page = (await empty.client.get("/")).body.toString();
  assert.ok(page.includes(`docker pull ${host}/alpine`), page);
  assert.doesNotMatch(page, /docker push/);
});

test("the figures are those of the commands", async () => {
  await pull(client, "library/app");
  await client.get("/v2/library/app/manifests/1");
  const page = await computed(client);
  const stats = (await command(gantry.root, ["cache", "stats", "--json"], settings)).json<{
    upstreams: { name: string; bytes: number; traffic: { hits: number; misses: number; requests: number } }[];
  }>();
  const [one] = stats.upstreams;
  assert.ok(one !== undefined && one.bytes > 0);
  const { hits, misses, requests } = one.traffic;
  assert.ok(page.includes(`<h2>${one.name}</h2>`));
  assert.ok(page.includes(`title="${one.bytes} bytes"`), "the bytes");
  assert.ok(page.includes(`${Math.floor((100 * hits) / (hits + misses))}% of ${hits + misses} requests`));
  assert.ok(page.includes(`${requests}, 0 failed`));
  assert.match(page, /library\/app:1<\/a>/);
  assert.match(page, />fresh</);
});

test("a failure is shown with its time, and cannot bring in markup", async () => {
  upstream.misbehave = (_, response) => {
    response.writeHead(500, { "content-type": "text/html" }).end("<script>alert(1)</script>");
    return true;
  };
  assert.equal((await client.get("/v2/library/other/manifests/1")).status, 502);
  upstream.misbehave = () => false;
  const page = (await client.get(path)).body.toString();
  assert.match(page, /Last failure<\/dt><dd><time/);
  assert.match(page, /\d, [1-9]\d* failed/);
  assert.match(page, /The upstream failed recently/);
  assert.equal(page.includes("<script>alert"), false);
});

test("refused credentials are a warning", async () => {
  const refusing = await ScriptedUpstream.start();
  refusing.misbehave = (_, response) => {
    response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    return true;
  };
  await using server = await startInside(
    cacheOf(refusing, {
      upstreams: [{ name: "docker.io", url: refusing.url, username: "user", password: "wrong" }],
    }),
  );
  const visitor = new Client(server.url);
  assert.equal((await visitor.get("/v2/library/app/manifests/1")).status, 502);
  assert.match(
    (await visitor.get(path)).body.toString(),
    /The upstream rejected the configured user name and password/,
  );
});

test("a visitor sees the images that they may pull, and figures only with the metrics", async () => {
  await using server = await startInside({
    ...settings,
    ...(await operatorAndReader("docker.io/open/**")),
  });
  const puller = new Client(server.url, undefined, undefined, basic("operator", "1"));
  await pull(puller, "open/app");
  await pull(puller, "closed/app");
  const operator = await loggedIn(server.url, "operator", "1");
  const reader = await loggedIn(server.url, "reader", "2");
  const whole = await computed(operator);
  assert.match(whole, /open\/app:1/);
  assert.match(whole, /closed\/app:1/);
  assert.match(whole, /Requests to it/);
  const part = await computed(reader);
  assert.match(part, /open\/app:1/);
  assert.equal(/closed|Requests to it|Answered here/.test(part), false);
});

test("without an upstream there is no page, and no way to it", async () => {
  await using server = await startInside();
  const visitor = new Client(server.url);
  assert.equal((await visitor.get(path)).status, 404);
  assert.equal((await visitor.get("/ui/")).body.toString().includes(path), false);
  assert.ok((await client.get("/ui/")).body.toString().includes(`href="${path}"`));
});

test("the page is accessible, and fits on a phone", { skip: noBrowser }, async () => {
  for (const [theme, size] of [
    ["dark", "desktop"],
    ["light", "phone"],
  ] as const) {
    const tab = await visit(gantry.url, { theme, size });
    await tab.page.goto(path);
    await tab.page.getByText("The same figures").waitFor();
    await assertAccessible(tab, `${theme}, ${size}`);
    await assertFits(tab, `${theme}, ${size}`);
    assert.deepEqual(tab.problems, []);
  }
});
