// Changes of the settings that give stored content another meaning: a default upstream that hides pushed repositories, and
// another registry behind the same prefix. The operator is told what happens and what to do.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { findHiddenNames } from "../../src/upstream/hidden-names.js";
import { UpstreamNames } from "../../src/upstream/names.js";
import { Client } from "../support/client.js";
import { gantry as run } from "../support/command.js";
import { image, newName } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { newRoot } from "../support/new-root.js";
import { eventually } from "../support/store.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const other = await ScriptedUpstream.start();

interface Line {
  readonly msg: string;
  readonly [field: string]: unknown;
}

function warnings(log: string, about: string): Line[] {
  const lines = log.split("\n").filter((line) => line.startsWith("{") && line.includes(about));
  return lines.map((line) => JSON.parse(line) as Line);
}

const hiding = "are hidden";

test("repositories that a default upstream hides are named at the start, with the setting that serves them again", async () => {
  const root = await newRoot();
  const made = image();
  {
    await using before = await startInside({}, root);
    const client = new Client(before.url);
    for (const name of ["apps/web", "apps/api", "tool", "library/own", "team/app"])
      await client.pushImage(name, made, "1");
  }
  let patterns: string[] = [];
  {
    await using server = await startInside(cacheOf(upstream), root);
    const client = new Client(server.url);
    assert.equal((await client.get("/v2/apps/web/manifests/1")).status, 404);
    const [line] = await eventually("the warning", () => {
      const found = warnings(server.log(), hiding);
      return found.length === 0 ? undefined : found;
    });
    assert.equal(line?.repositories, 4);
    assert.deepEqual(line?.examples, ["apps/api", "apps/web", "library/own", "tool"]);
    const [, list = "[]"] = /patterns such as (\[.*\]) to proxy\.local/.exec(line?.msg ?? "") ?? [];
    patterns = JSON.parse(list) as string[];
    assert.deepEqual(patterns, ["apps/**", "library/own", "tool"]);
  }
  await using served = await startInside(cacheOf(upstream, { local: ["team/**", ...patterns] }), root);
  for (const name of ["apps/web", "tool", "library/own"]) {
    const { headers } = await new Client(served.url).head(`/v2/${name}/manifests/1`);
    assert.equal(headers["docker-content-digest"], made.digest);
  }
  await served.stop();
  assert.deepEqual(warnings(served.log(), hiding), []);
});

test("the look for hidden repositories ends in time, and then says that there are more", async () => {
  const late = new AbortController();
  let seen = 0;
  async function* list() {
    for (;;) {
      if (++seen === 2_000) late.abort();
      yield parseRepositoryName(`apps/a${seen}`);
    }
  }
  const hub = { name: "docker.io", prefix: "docker.io", isDefault: true };
  const repositories = { list } as unknown as Parameters<typeof findHiddenNames>[0]["repositories"];
  const found = await findHiddenNames({ repositories }, new UpstreamNames([hub], () => false), late.signal);
  assert.deepEqual([found.isComplete, found.examples.length, found.patterns], [false, 5, ["apps/**"]]);
  assert.equal(found.count, 1_999);
});

const elsewhere = "another URL or namespace";

test("an upstream with another URL or namespace is told once, with the command that removes what is cached from before", async () => {
  const root = await newRoot();
  const [name, old] = [newName("library/app"), image()];
  upstream.add(name, old, "1");
  const start = async (settings: Record<string, unknown>) => {
    const server = await startInside(cacheOf(upstream, { upstreams: [settings] }), root);
    const answer = await new Client(server.url).head(`/v2/${name}/manifests/1`);
    await server.stop();
    return { digest: answer.headers["docker-content-digest"], told: warnings(server.log(), elsewhere) };
  };
  const first = { name: "docker.io", url: upstream.url };
  assert.deepEqual(await start(first), { digest: old.digest, told: [] });
  assert.deepEqual((await start(first)).told, []);
  const second = { name: "docker.io", url: other.url };
  const { digest, told } = await start(second);
  assert.equal(digest, old.digest, "what is cached is served");
  assert.deepEqual(
    told.map(({ upstream: about, before, now, example }) => ({ about, before, now, example })),
    [
      {
        about: "docker.io",
        before: `${upstream.url}/`,
        now: `${other.url}/`,
        example: `docker.io/${name}`,
      },
    ],
  );
  assert.deepEqual((await start(second)).told, []);
  const [, command = ""] = /run gantry (.*)$/.exec(told[0]?.msg ?? "") ?? [];
  const pruned = await run(root, command.split(" "), cacheOf(upstream, { upstreams: [second] }));
  assert.equal(pruned.code, 0, pruned.stderr);
  assert.equal((await start(second)).digest, undefined, "the new registry has no such image");
  // Nothing is cached any more, so nothing is told.
  assert.deepEqual((await start({ ...second, namespace: "public" })).told, []);
});

test("another namespace counts like another URL", async () => {
  const root = await newRoot();
  const made = image();
  upstream.add("one/library/app", made, "1");
  const settings = (namespace: string) =>
    cacheOf(upstream, { upstreams: [{ name: "docker.io", url: upstream.url, namespace }] });
  {
    await using server = await startInside(settings("one"), root);
    assert.equal((await new Client(server.url).head("/v2/docker.io/library/app/manifests/1")).status, 200);
  }
  await using server = await startInside(settings("two"), root);
  const [line] = warnings(server.log(), elsewhere);
  assert.deepEqual([line?.before, line?.now], [`${upstream.url}/one/`, `${upstream.url}/two/`]);
});
