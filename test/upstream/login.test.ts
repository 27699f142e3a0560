// The login at an upstream registry: what operators and clients learn of refused credentials, and how often the upstream and
// its token server are asked.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client, serve } from "../support/client.js";
import { gantry as run } from "../support/command.js";
import { blobOf, image, newName } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { startMeasured, valuesOf } from "../support/metrics.js";
import { eventually } from "../support/store.js";
import { cacheOf, ScriptedUpstream, type UpstreamRequest } from "../support/upstream.js";

/** Demands a login in front of an upstream, by tokens or by user name and password. */
class LoginDemand {
  password = "right";
  /** Becomes part of the tokens, so that a new one makes the earlier ones invalid. */
  generation = 1;
  /** Repositories for which the token server denies a token. */
  readonly denied = new Set<string>();
  readonly tokenRequests: UpstreamRequest[] = [];

  constructor(
    readonly upstream: ScriptedUpstream,
    readonly realm = upstream,
  ) {}

  get #basic(): string {
    return `Basic ${Buffer.from(`operator:${this.password}`).toString("base64")}`;
  }

  readonly byToken = (request: UpstreamRequest, response: ServerResponse): boolean => {
    const { path, headers } = request;
    if (path.startsWith("/token")) return this.giveToken(request, response);
    if (headers.authorization === `Bearer token-${this.generation}`) return false;
    const name = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(path)?.[1];
    const scope = name === undefined ? "" : `,scope="repository:${name}:pull"`;
    const challenge = `Bearer realm="${this.realm.url}/token",service="test"${scope}`;
    response.writeHead(401, { "WWW-Authenticate": challenge }).end();
    return true;
  };

  readonly giveToken = (request: UpstreamRequest, response: ServerResponse): boolean => {
    this.tokenRequests.push(request);
    const isKnown = request.headers.authorization === this.#basic;
    const isDenied = [...this.denied].some((name) => decodeURIComponent(request.path).includes(name));
    if (!isKnown || isDenied) return !!response.writeHead(401).end();
    return !!response.writeHead(200).end(JSON.stringify({ token: `token-${this.generation}` }));
  };

  readonly byPassword = ({ path, headers }: UpstreamRequest, response: ServerResponse): boolean => {
    const isDenied = [...this.denied].some((name) => path.includes(name));
    if (headers.authorization === this.#basic && !isDenied) return false;
    return !!response.writeHead(401, { "WWW-Authenticate": 'Basic realm="test"' }).end();
  };
}

type Scheme = "byToken" | "byPassword";

async function newUpstream(scheme: Scheme): Promise<{ upstream: ScriptedUpstream; demand: LoginDemand }> {
  const upstream = await ScriptedUpstream.start();
  const demand = new LoginDemand(upstream);
  upstream.misbehave = demand[scheme];
  return { upstream, demand };
}

function loggingIn(upstream: ScriptedUpstream, more: Record<string, unknown> = {}, settings = {}) {
  const one = { name: "docker.io", url: upstream.url, username: "operator", password: "right", ...more };
  return cacheOf(upstream, { upstreams: [one], absentttl: "0s", ...settings });
}

function countOf(text: string, part: string): number {
  return text.split(part).length - 1;
}

for (const scheme of ["byToken", "byPassword"] as const) {
  test(`${scheme}: refused credentials get 502 that says so, one warning, a metric, and a line of the statistics`, async () => {
    const { upstream, demand } = await newUpstream(scheme);
    const settings = loggingIn(upstream, {}, { tagttl: "0s" });
    const { gantry, page } = await startMeasured(startInside, settings);
    after(() => gantry.stop());
    const client = new Client(gantry.url);
    const [name, cold] = [newName("library/app"), newName("library/cold")];
    upstream.add(name, image(), "1");
    upstream.add(cold, image(), "1");
    assert.equal((await client.get(`/v2/${name}/manifests/1`)).status, 200);
    const gauge = async () =>
      valuesOf(await (await page()).text()).get('gantry_upstream_credentials_refused{upstream="docker.io"}');
    assert.equal(await gauge(), 0);

    demand.password = "changed";
    demand.generation++;
    upstream.take();
    for (let count = 0; count < 5; count++) {
      const { status, body } = await client.get(`/v2/${cold}/manifests/1`);
      assert.equal(status, 502);
      assert.match(body.toString(), /the upstream docker\.io .*credentials refused/);
    }
    const sent = upstream.requests.filter(({ headers }) => headers.authorization?.startsWith("Basic "));
    assert.ok(sent.length <= 2, `the password was sent ${sent.length} times`);
    const cached = await client.get(`/v2/${name}/manifests/1`);
    assert.equal(cached.status, 200);
    assert.match(String(cached.headers["cache-status"]), /stale/);

    assert.equal(countOf(gantry.log(), "refuses the configured user name and password"), 1);
    assert.equal(await gauge(), 1);
    const values = valuesOf(await (await page()).text());
    const refused = values.get('gantry_upstream_requests_total{upstream="docker.io",outcome="refused"}');
    assert.equal(refused, 5);
    assert.match((await run(gantry.root, ["cache", "stats"])).stdout, /^docker\.io: .*credentials refused/m);
    const { upstreams } = (await run(gantry.root, ["cache", "stats", "--json"])).json<{
      upstreams: { traffic: { credentialsRefused: boolean } }[];
    }>();
    assert.equal(upstreams[0]?.traffic.credentialsRefused, true);
  });

  test(`${scheme}: what an upstream denies to good credentials is unknown, and no fault of theirs`, async () => {
    const { upstream, demand } = await newUpstream(scheme);
    const { gantry, client } = await serve(loggingIn(upstream));
    const [name, hidden] = [newName("library/app"), newName("library/hidden")];
    upstream.add(name, image(), "1");
    demand.denied.add(hidden);
    assert.equal((await client.get(`/v2/${hidden}/manifests/1`)).status, 404);
    assert.equal((await client.get(`/v2/${name}/manifests/1`)).status, 200);
    assert.equal(countOf(gantry.log(), "refuses the configured"), 0);
  });
}

test("an upstream that answers 401 although it gave a token, as Docker Hub does, has no such repository", async () => {
  const { upstream, demand } = await newUpstream("byToken");
  const { client } = await serve(loggingIn(upstream));
  const hidden = newName("library/hidden");
  upstream.misbehave = (request, response) =>
    request.path.includes(hidden) && !request.path.startsWith("/token")
      ? demand.byToken({ ...request, headers: {} }, response)
      : demand.byToken(request, response);
  assert.equal((await client.get(`/v2/${hidden}/manifests/1`)).status, 404);
});

test("requests at the same time share one token, and renew it once when it has expired", async () => {
  const { upstream, demand } = await newUpstream("byToken");
  const { client } = await serve(loggingIn(upstream));
  const name = newName("library/app");
  for (const expected of [1, 2]) {
    const blobs = Array.from({ length: 16 }, () => blobOf(100));
    for (const blob of blobs) upstream.addBlob(name, blob);
    const answers = await Promise.all(blobs.map(({ digest }) => client.get(`/v2/${name}/blobs/${digest}`)));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.equal(demand.tokenRequests.length, expected);
    demand.generation++;
  }
});

test("a token server that denies late and then does not answer holds a client for proxy.timeout", async () => {
  const { upstream, demand } = await newUpstream("byToken");
  const { client } = await serve(loggingIn(upstream, {}, { timeout: "2s" }));
  upstream.misbehave = async (request, response) => {
    if (!request.path.startsWith("/token")) return demand.byToken(request, response);
    // Asked again without a scope, it is silent.
    if (!request.path.includes("scope=")) return true;
    await pause(1_500);
    return !!response.writeHead(401).end();
  };
  const begun = performance.now();
  assert.equal((await client.get(`/v2/${newName("library/app")}/manifests/1`)).status, 504);
  assert.ok(performance.now() - begun < 3_000);
});

test("after a token server was silent, the next client makes a new request for a token", async () => {
  const { upstream, demand } = await newUpstream("byToken");
  const { client } = await serve(loggingIn(upstream, {}, { timeout: "1s" }));
  const name = newName("library/app");
  upstream.add(name, image(), "1");
  let isSilent = true;
  upstream.misbehave = (request, response) => {
    if (isSilent && request.path.startsWith("/token")) return true;
    return demand.byToken(request, response);
  };
  const path = `/v2/${name}/manifests/1`;
  assert.equal((await client.get(path)).status, 504);
  isSilent = false;
  await eventually("the image", async () => ((await client.get(path)).status === 200 ? true : undefined));
});

test("a token server on a host of `realms` gets the password, which may be in a file", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-login-"));
  after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "password"), "right\n");
  const [upstream, realm] = [await ScriptedUpstream.start(), await ScriptedUpstream.start()];
  const demand = new LoginDemand(upstream, realm);
  upstream.misbehave = demand.byToken;
  realm.misbehave = demand.giveToken;
  const name = newName("library/app");
  upstream.add(name, image(), "1");
  const file = { password: undefined, passwordfile: join(folder, "password") };
  const without = await serve(loggingIn(upstream, file));
  const refused = await without.client.get(`/v2/${name}/manifests/1`);
  assert.equal(refused.status, 502);
  assert.match(refused.body.toString(), /the setting realms of the upstream: 127\.0\.0\.1/);
  assert.deepEqual(realm.requests, []);
  const { client } = await serve(loggingIn(upstream, { ...file, realms: [realm.host] }));
  assert.equal((await client.get(`/v2/${name}/manifests/1`)).status, 200);
  assert.equal(demand.tokenRequests.length, 1);
});
