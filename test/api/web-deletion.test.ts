// What the confirmation of a deletion tells those who see only a part of the registry.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, serve } from "../support/client.js";
import { blobOf, image, imageOf } from "../support/content.js";
import { basic, LoginFiles } from "../support/login.js";
import { eventually } from "../support/store.js";
import { loggedIn, type Visitor } from "../support/visitor.js";

const files = await LoginFiles.make();
await files.users({ alice: "alice's", olga: "olga's" });
await files.policy(`
metrics: { users: olga }
rules:
  - { repositories: "**", users: olga, allow: admin }
  - { repositories: "team/**", users: alice, allow: [push, delete] }
`);
const { gantry } = await serve({
  ...files.settings,
  REGISTRY_HTTP_UI_ENABLED: "true",
  REGISTRY_STORAGE_DELETE_ENABLED: "true",
});
const { url } = gantry;

async function confirmation(visitor: Visitor, name: string): Promise<string> {
  return eventually("the whole preview", async () => {
    const page = (await visitor.get(`/ui/r/${name}/_delete?tag=v1`)).body.toString();
    return page.includes("1 manifest and 2 blobs") ? page : undefined;
  });
}

test("nobody learns from the size whether a repository that they may not see has a blob", async () => {
  const olga = new Client(url, 4, {}, basic("olga", "olga's"));
  const shared = blobOf(100_000);
  await olga.pushImage("secret/hidden", imageOf(blobOf("{}"), [shared]), "v1");
  await olga.pushImage("team/known", imageOf(blobOf('{"a":1}'), [shared]), "v1");
  await olga.pushImage("team/new", image(), "v1");
  const alice = await loggedIn(url, "alice", "alice's");
  for (const name of ["team/known", "team/new"])
    assert.doesNotMatch(await confirmation(alice, name), /nothing else shares/);
  const reader = await loggedIn(url, "olga", "olga's");
  assert.match(await confirmation(reader, "team/known"), /nothing else shares/);
});
