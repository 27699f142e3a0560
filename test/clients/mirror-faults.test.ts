/**
 * Real clients pull through the cache while the upstream registry misbehaves: it wants a token as Docker Hub does, cuts
 * connections, is slow, limits requests and goes away. Each client has only the mirror, so no traffic leaves the machine.
 */
import assert from "node:assert/strict";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { blobOf, descriptorOf, image, newName, types } from "../support/content.js";
import { type Gantry, startGantry } from "../support/gantry.js";
import { cacheOf, ScriptedUpstream, type UpstreamRequest } from "../support/upstream.js";
import { startContainerd } from "./containerd-daemon.js";
import { needs, run, temporaryFolder } from "./support.js";

const upstream = await ScriptedUpstream.start();
const mebibyte = 1024 * 1024;
const settings = cacheOf(upstream, { tagttl: "0s", staletimeout: "1s", timeout: "5s" });

/** Copies an image, and returns its digest as the client has stored it. */
interface Client extends AsyncDisposable {
  copy(name: string): Promise<string>;
}

interface Kind {
  readonly name: string;
  readonly skip: false | string;
  start(folder: string, gantry: Gantry): Promise<Client>;
}

async function digestOfLayout(path: string): Promise<string> {
  const { manifests } = JSON.parse(await readFile(join(path, "index.json"), "utf8"));
  await rm(path, { recursive: true });
  return manifests[0].digest;
}

const kinds: readonly Kind[] = [
  {
    name: "containerd",
    skip: needs("containerd", "ctr"),
    async start(folder, { url }) {
      const daemon = await startContainerd(folder);
      const hosts = join(folder, "certs.d");
      await mkdir(join(hosts, "docker.io"), { recursive: true });
      const onlyMirror = `server = "${url}"\n[host."${url}"]\ncapabilities = ["pull", "resolve"]\n`;
      await writeFile(join(hosts, "docker.io", "hosts.toml"), onlyMirror);
      const ctr = (...args: string[]) => run("ctr", [...daemon.address, ...args]);
      return {
        async copy(name) {
          const reference = `docker.io/${name}:1`;
          await ctr("content", "fetch", "--hosts-dir", hosts, reference);
          const listed = await ctr("images", "ls", `name==${reference}`);
          await ctr("images", "rm", "--sync", reference);
          return /sha256:[0-9a-f]{64}/.exec(listed)?.[0] ?? "";
        },
        [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
      };
    },
  },
  {
    name: "skopeo",
    skip: needs("skopeo"),
    async start(folder, { host }) {
      const file = join(folder, "registries.conf");
      const location = `prefix = "docker.io"\nlocation = "${host}/docker.io"\ninsecure = true\n`;
      await writeFile(file, `[[registry]]\n${location}`);
      return {
        async copy(name) {
          const layout = join(folder, "layout");
          const options = ["--insecure-policy", "--registries-conf", file];
          const copy = [...options, "copy", "--preserve-digests"];
          await run("skopeo", [...copy, `docker://docker.io/${name}:1`, `oci:${layout}:1`]);
          return digestOfLayout(layout);
        },
        [Symbol.asyncDispose]: async () => {},
      };
    },
  },
  {
    name: "crane",
    skip: needs("crane"),
    start: async (folder, { host }) => ({
      async copy(name) {
        const layout = join(folder, "layout");
        await run("crane", ["--insecure", "pull", "--format=oci", `${host}/docker.io/${name}:1`, layout]);
        return digestOfLayout(layout);
      },
      [Symbol.asyncDispose]: async () => {},
    }),
  },
];

/** Like Docker Hub: every request needs a token, which anybody gets. */
function demandToken({ path, headers }: UpstreamRequest, response: ServerResponse): boolean {
  if (path.startsWith("/token?")) return !!response.end(JSON.stringify({ token: "for-anybody" }));
  if (headers.authorization === "Bearer for-anybody") return false;
  const challenge = `Bearer realm="${upstream.url}/token",service="upstream"`;
  return !!response.writeHead(401, { "WWW-Authenticate": challenge }).end();
}

/** What the upstream does while a client pulls an image that is not cached. */
const faults: Readonly<Record<string, () => ScriptedUpstream["misbehave"]>> = {
  "wants a token": () => demandToken,
  "cuts the connection of a layer": () => {
    let cuts = 0;
    return ({ path, method, headers }) => {
      if (method === "GET" && path.includes("/blobs/") && headers.range === undefined && cuts++ < 2) {
        upstream.holdAfter = mebibyte;
        setTimeout(() => {
          upstream.holdAfter = Number.POSITIVE_INFINITY;
          upstream.cut();
        }, 300);
      }
      return false;
    };
  },
  "answers each first request with 503": () => {
    const seen = new Set<string>();
    return ({ path }, response) => {
      if (seen.has(path)) return false;
      seen.add(path);
      return !!response.writeHead(503).end();
    };
  },
};

for (const { name: client, skip, start } of kinds)
  test(`${client} pulls through the cache from an upstream that misbehaves`, { skip }, async (t) => {
    await using folder = await temporaryFolder();
    await using gantry = await startGantry(settings);
    await using copier = await start(folder.path, gantry);
    for (const [what, begin] of Object.entries(faults))
      await t.test(`that ${what}`, async () => {
        const layer = blobOf(3 * mebibyte);
        const made = image({ layers: [descriptorOf(layer, types.layer)] });
        const name = newName("org/app");
        upstream.add(name, { ...made, blobs: [...made.blobs, layer] }, "1");
        upstream.misbehave = begin();
        assert.equal(await copier.copy(name), made.digest);
        // Then it limits requests, and then it is away: the tag is compared each time, and served as it was.
        upstream.misbehave = (_, response) => !!response.writeHead(429, { "Retry-After": "1" }).end();
        assert.equal(await copier.copy(name), made.digest);
        await upstream.stop();
        assert.equal(await copier.copy(name), made.digest);
        await upstream.listen();
        upstream.misbehave = () => false;
        await recovered(gantry);
      });
  });

/** Waits until the upstream is asked again. */
async function recovered({ url }: Gantry): Promise<void> {
  const name = newName("org/new");
  upstream.add(name, image(), "1");
  for (let tries = 0; tries < 100; tries++) {
    if ((await fetch(`${url}/v2/docker.io/${name}/manifests/1`)).ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("the upstream is not asked again");
}
