// The file of the tag policy in a running server: pushes, collections and pages follow its changes, and a broken file leaves the
// previous rules.

import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { collectOnce } from "../../src/commands/gc.js";
import { noTagPolicy, type TagPolicy } from "../../src/gc/retention.js";
import { Client } from "../support/client.js";
import { gantry } from "../support/command.js";
import { image, newName, types } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { startInside } from "../support/inside.js";
import { serveInside } from "../support/server.js";
import { eventually } from "../support/store.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-policy-"));
after(() => rm(folder, { recursive: true, force: true }));

/** A policy file, and the settings of a server that reads it. */
async function policyFile(given: object) {
  const path = join(folder, `${newName("policy").replaceAll("/", "-")}.json`);
  const write = async (text: string) => {
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  };
  await write(JSON.stringify(given));
  const settings = { REGISTRY_TAGS_POLICY: path, REGISTRY_GC_INTERVAL: "0s" };
  return { settings, write };
}

const immutable = JSON.stringify({ immutable: [{ tags: "v*" }] });
const countIn = (log: string, text: string) => log.split(text).length - 1;
const loaded = "tag policy loaded";
const broken = "the changed tag policy cannot be used: the previous one stays in effect";

/** Pushes another manifest to the tag, and resolves with the status. */
async function move(client: Client, name: string, tag: string): Promise<number> {
  const made = image();
  await client.pushBlobs(name, ...made.blobs);
  return (await client.putManifest(name, tag, made.bytes, types.manifest)).status;
}

test("a changed policy applies to pushes, and a broken one leaves the previous rules and is logged once", async () => {
  const { settings, write } = await policyFile({ immutable: [] });
  await using server = await startInside(settings);
  const client = new Client(server.url);
  const logged = (text: string, times: number) =>
    eventually(text, () => (countIn(server.log(), text) === times ? true : undefined));
  const name = newName();
  assert.equal(await move(client, name, "v1"), 201);
  assert.equal(await move(client, name, "v1"), 201);
  await write(immutable);
  await logged(loaded, 2);
  assert.equal(await move(client, name, "v1"), 403);

  await write('{"immutable":');
  await logged(broken, 1);
  assert.match(server.log(), /"level":"?(?:50|error)"?[^\n]*the changed tag policy cannot be used/);
  assert.equal(await move(client, name, "v1"), 403);

  await write('{"immutable":[]}');
  await logged(loaded, 3);
  assert.equal(await move(client, name, "v1"), 201);
  assert.equal(countIn(server.log(), broken), 1);
});

test("gantry gc that a server runs applies the changed rules", async () => {
  const { settings, write } = await policyFile({});
  await using server = await startInside(settings);
  const name = newName("ci");
  const client = new Client(server.url);
  for (const tag of ["pr-1", "pr-2"]) await client.pushImage(name, image(), tag);
  const expired = async () => {
    const ran = await gantry(server.root, ["gc", "--json"]);
    return ran.json<{ retention: { tags: number } }>().retention.tags;
  };
  assert.equal(await expired(), 0);
  await write(JSON.stringify({ retention: [{ tags: "pr-*", keepLast: 1 }] }));
  await eventually(loaded, () => (countIn(server.log(), loaded) === 2 ? true : undefined));
  assert.equal(await expired(), 1);
});

test("each of several processes follows the file", async () => {
  const { settings, write } = await policyFile({});
  await using server = await startGantry({ ...settings, REGISTRY_HTTP_PROCESSES: "2" });
  const name = newName();
  await new Client(server.url).pushImage(name, image(), "v1");
  await eventually("both have loaded it", () => (countIn(server.log(), loaded) === 2 ? true : undefined));
  await write(immutable);
  await eventually("both follow it", () => (countIn(server.log(), loaded) === 4 ? true : undefined));
  // The kernel gives each connection to one of them.
  for (let round = 0; round < 12; round++)
    assert.equal(await move(new Client(server.url, 1), name, "v1"), 403, `round ${round}`);
});

test("a collection ends by the rules with which it began", async () => {
  const server = await serveInside({ REGISTRY_GC_INTERVAL: "0s" });
  const client = new Client(server.url);
  const names = [newName("ci"), newName("ci"), newName("ci")];
  for (const name of names) for (const tag of ["a", "b"]) await client.pushImage(name, image(), tag);
  let tagPolicy: TagPolicy = {
    immutable: [],
    retention: [{ pattern: { matches: () => true }, title: "one", keepLast: 1 }],
  };
  const rules = {
    ...server.services.rules,
    get tagPolicy() {
      return tagPolicy;
    },
  };
  const { retention } = await collectOnce(
    { ...server.services, rules },
    { dryRun: false, untaggedSeconds: undefined },
    () => {
      tagPolicy = noTagPolicy;
    },
  );
  assert.equal(retention.tags, names.length);
});
