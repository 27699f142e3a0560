// Settings of the pull-through cache as CNCF distribution has them, and those of one upstream that override the general ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { serve } from "../support/client.js";
import { gantry as run } from "../support/command.js";
import { image, newName } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();

test("proxy.remoteurl, username and password configure one upstream for all names", async () => {
  const { gantry, client } = await serve({
    REGISTRY_PROXY_REMOTEURL: upstream.url,
    REGISTRY_PROXY_USERNAME: "operator",
    REGISTRY_PROXY_PASSWORD: "right",
    REGISTRY_PROXY_TTL: "24h",
  });
  const basic = `Basic ${Buffer.from("operator:right").toString("base64")}`;
  upstream.misbehave = ({ headers }, response) => {
    if (headers.authorization === basic) return false;
    return !!response.writeHead(401, { "WWW-Authenticate": 'Basic realm="test"' }).end();
  };
  const name = newName("org/app");
  const made = image();
  upstream.add(name, made, "1");
  const { headers } = await client.get(`/v2/${name}/manifests/1`);
  upstream.misbehave = () => false;
  assert.equal(headers["docker-content-digest"], made.digest);
  assert.equal((await client.request("POST", `/v2/${name}/blobs/uploads/`, { body: "" })).status, 403);
  const { upstreams } = (await run(gantry.root, ["cache", "stats", "--json"])).json<{
    upstreams: { name: string; prefix: string; ttlSeconds: number; manifests: number }[];
  }>();
  const [found] = upstreams;
  assert.deepEqual(
    [found?.name, found?.prefix, found?.ttlSeconds, found?.manifests],
    [upstream.host, upstream.host.replace(":", "-"), 86_400, 1],
  );
});

test("the tagttl of an upstream counts for it alone", async () => {
  const { client } = await serve(
    cacheOf(upstream, {
      tagttl: "1h",
      upstreams: [
        { name: "docker.io", url: upstream.url },
        { name: "short.example", url: upstream.url, tagttl: "10ms", ttl: "1h" },
      ],
    }),
  );
  const name = newName("org/app");
  upstream.add(name, image(), "1");
  for (const [prefix, asked] of [
    ["docker.io", 0],
    ["short.example", 1],
  ] as const) {
    const path = `/v2/${prefix}/${name}/manifests/1`;
    assert.equal((await client.get(path)).status, 200);
    upstream.take();
    await pause(20);
    assert.equal((await client.get(path)).status, 200);
    assert.equal(upstream.take().length, asked, prefix);
  }
});

/** Settings that contradict each other, and what the start says. */
const wrong: Readonly<Record<string, readonly [proxy: Record<string, unknown>, said: RegExp]>> = {
  "two upstreams of one name": [
    { upstreams: [{ name: "a.io" }, { name: "a.io", prefix: "b" }] },
    /same name, a\.io/,
  ],
  "a prefix within another": [
    { upstreams: [{ name: "a.io" }, { name: "b.io", prefix: "a.io/b" }] },
    /the prefix a\.io\/b of b\.io lies within a\.io/,
  ],
  "one prefix for two upstreams": [
    {
      upstreams: [
        { name: "a.io", prefix: "m" },
        { name: "b.io", prefix: "m" },
      ],
    },
    /a\.io and b\.io have the same prefix, m/,
  ],
  "a URL with a path": [
    { upstreams: [{ name: "a.io", url: "https://a.io/project" }] },
    /without a path.*namespace/,
  ],
  "a URL with credentials, which are not shown": [
    { upstreams: [{ name: "a.io", url: "https://me:classified@a.io" }] },
    /^(?!.*classified).*without a name and a password/s,
  ],
  "another name of Docker Hub": [
    { upstreams: [{ name: "registry-1.docker.io" }] },
    /name Docker Hub docker\.io/,
  ],
  "a URL as the name": [
    { upstreams: [{ name: "https://a.io" }] },
    /expected a host such as ghcr\.io(?!.*needs a prefix)/s,
  ],
  "a default that is no upstream": [
    { upstreams: [{ name: "a.io" }], default: "b.io" },
    /no upstream has this name; there are a\.io/,
  ],
  "a name with a port and no prefix": [
    { upstreams: [{ name: "a.io:5000" }] },
    /a name with a port needs a prefix/,
  ],
  "a username without a password": [
    { upstreams: [{ name: "a.io", username: "u" }] },
    /a username needs a password or a passwordfile/,
  ],
  "two passwords": [
    { upstreams: [{ name: "a.io", username: "u", password: "p", passwordfile: "/p" }] },
    /has both password and passwordfile/,
  ],
  "remoteurl beside a default": [
    { upstreams: [{ name: "a.io" }], default: "a.io", remoteurl: "https://b.io" },
    /remoteurl sets the default upstream/,
  ],
};

for (const [what, [proxy, said]] of Object.entries(wrong))
  test(`${what}: the server does not start, and says why`, async () => {
    await assert.rejects(startInside({ REGISTRY_PROXY: JSON.stringify(proxy) }), said);
  });
