/**
 * Real clients pull through the cache while the upstream registry misbehaves: it wants a token as Docker Hub does, cuts
 * connections, limits requests, sends other bytes and goes away. No client gets past the cache, so no traffic leaves the
 * machine.
 */
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { type Blob, image as emptyImage, newName } from "../support/content.js";
import { type Gantry, startGantry } from "../support/gantry.js";
import { eventually, storedBelow } from "../support/store.js";
import { cacheOf, type Misbehaviour, ScriptedUpstream, type UpstreamRequest } from "../support/upstream.js";
import {
  buildkit,
  type ClientKind,
  containerd,
  crane,
  docker,
  type MirrorClient,
  podman,
  skopeo,
} from "./mirror-clients.js";
import { besides } from "./mirror-place.js";
import { type Offered, offerTo, pulls } from "./pullable-image.js";
import { needs, temporaryFolder } from "./support.js";

const upstream = await ScriptedUpstream.start();
const settings = cacheOf(upstream, { tagttl: "0s", staletimeout: "1s", timeout: "5s" });

const isGetOf = ({ method, path }: UpstreamRequest, { digest }: Blob) =>
  method === "GET" && path.endsWith(`/blobs/${digest}`);

/** The first byte that each request for the blob has asked for, in order. */
function startsOf(blob: Blob): number[] {
  return upstream.requests
    .filter((request) => isGetOf(request, blob))
    .map(({ headers }) => Number(/^bytes=(\d+)-/.exec(headers.range ?? "")?.[1] ?? 0));
}

/** Like Docker Hub: every request needs a token, which anybody gets. */
function demandToken({ path, headers }: UpstreamRequest, response: ServerResponse): boolean {
  if (path.startsWith("/token?")) return !!response.end(JSON.stringify({ token: "for-anybody" }));
  if (headers.authorization === "Bearer for-anybody") return false;
  const challenge = `Bearer realm="${upstream.url}/token",service="upstream"`;
  return !!response.writeHead(401, { "WWW-Authenticate": challenge }).end();
}

/** Sends half of the blob, and cuts the connection. Sends the rest after `cuts` of these. */
function cutting({ bytes, digest }: Blob, cuts: number): Misbehaviour {
  let left = cuts;
  return (request, response) => {
    if (!isGetOf(request, { bytes, digest }) || left-- <= 0) return false;
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
    response.writeHead(start > 0 ? 206 : 200, {
      "Content-Length": bytes.length - start,
      ...(start > 0 && { "Content-Range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    });
    response.write(bytes.subarray(start, start + (bytes.length - start) / 2), () => response.destroy());
    return true;
  };
}

/** Answers each path with an error when it is first asked for it. */
function failingFirst(): Misbehaviour {
  const seen = new Set<string>();
  return ({ path }, response) => {
    if (seen.has(path)) return false;
    seen.add(path);
    return !!response.writeHead(503).end();
  };
}

/** Sends as many other bytes. */
function lying({ bytes, digest }: Blob): Misbehaviour {
  return (request, response) => {
    if (!isGetOf(request, { bytes, digest })) return false;
    response.writeHead(200, { "Content-Length": bytes.length });
    return !!response.end(Buffer.alloc(bytes.length));
  };
}

const limiting: Misbehaviour = (_, response) => !!response.writeHead(429, { "Retry-After": "1" }).end();
const behave: Misbehaviour = () => false;

/** No client reaches the registry. */
const registryError = /registry-1\.docker\.io.*refused/;

/** A fault during which a client pulls an image that is not cached. */
type Fault = (client: MirrorClient, gantry: Gantry, offered: Offered, kind: ClientKind) => Promise<void>;

const faults: Readonly<Record<string, Fault>> = {
  async "wants a token"(client, _, offered) {
    upstream.misbehave = demandToken;
    await pulls(client, offered);
  },
  async "answers each first request with 503"(client, _, offered) {
    upstream.misbehave = failingFirst();
    await pulls(client, offered);
  },
  async "cuts the connection of a layer"(client, _, offered) {
    upstream.misbehave = cutting(offered.large, 2);
    await pulls(client, offered);
    const [first, second = 0, third = 0, ...others] = startsOf(offered.large);
    assert.equal(first, 0);
    assert.ok(second > 0 && third > second, `asked from ${second} and from ${third}`);
    assert.deepEqual(others, []);
  },
  async "limits requests for a while"(client, _, offered, { hidesMirror }) {
    upstream.misbehave = limiting;
    await assert.rejects(client.pull(offered.name), hidesMirror === true ? registryError : /502|429/);
    upstream.misbehave = behave;
    await pulls(client, offered);
  },
  async "sends other bytes for a layer"(client, gantry, offered, { hidesMirror }) {
    const { large } = offered;
    upstream.misbehave = lying(large);
    const broken = /EOF|digest|502/;
    await assert.rejects(client.pull(offered.name), hidesMirror === true ? registryError : broken);
    const logged = `a blob was not fetched: the upstream docker.io sent other bytes than ${large.digest}`;
    await eventually("the log has the reason", () => gantry.log().includes(logged) || undefined);
    await client.abandon?.();
    const hex = large.digest.replace("sha256:", "");
    const stored = async () => (await storedBelow(gantry.root)).filter((path) => path.includes(hex));
    assert.deepEqual(await stored(), []);
    upstream.misbehave = behave;
    upstream.requests.length = 0;
    await pulls(client, offered);
    assert.deepEqual(startsOf(large), [0]);
    assert.notDeepEqual(await stored(), []);
  },
};

for (const kind of [docker, containerd, buildkit, podman, skopeo, crane])
  test(`${kind.name} pulls through the cache from an upstream that misbehaves`, {
    skip: needs(...kind.programs),
  }, async (t) => {
    await using folder = await temporaryFolder();
    await using gantry = await startGantry(settings);
    await using puller = await kind.start(await besides(folder.path, gantry));
    for (const [what, during] of Object.entries(faults))
      await t.test(`that ${what}`, async () => {
        const offered = offerTo(upstream);
        await during(puller, gantry, offered, kind);
        // Then it limits requests, and then it is away: the tag is compared each time, and served as it was.
        upstream.misbehave = limiting;
        await pulls(puller, offered);
        await upstream.stop();
        await pulls(puller, offered);
        await upstream.listen();
        upstream.misbehave = behave;
        await recovered(gantry);
      });
  });

/** Waits until the upstream is asked again. */
function recovered({ url }: Gantry): Promise<boolean> {
  const name = newName("org/new");
  upstream.add(name, emptyImage(), "1");
  const ask = async () => (await fetch(`${url}/v2/docker.io/${name}/manifests/1`)).ok || undefined;
  return eventually("the upstream is asked again", ask, 10_000);
}
