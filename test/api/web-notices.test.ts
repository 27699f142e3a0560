// What a page says that a form has done, is said only to the visitor who has sent it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../support/client.js";
import { image } from "../support/content.js";
import { Visitor } from "../support/visitor.js";

const { client } = await serve({ REGISTRY_STORAGE_DELETE_ENABLED: "true" });

test("nobody else's address says that tags were deleted", async () => {
  const made = image();
  for (const tag of ["one", "two"]) await client.pushImage("team/app", made, tag);
  await client.pushImage("team/other", image(), "one");
  const visitor = new Visitor(client.url);
  const form = await visitor.formToken("/ui/r/team/app/_delete?tag=one");
  const fields = { form, "digest of one": made.digest };
  const { status, headers } = await visitor.post("/ui/r/team/app/_delete?tag=one", fields);
  assert.equal(status, 303);
  const address = headers.location ?? "";
  const says = async (of: Visitor, path: string) => {
    const { status, body } = await of.get(path);
    assert.equal(status, 200);
    return body.toString().includes("Deleted: one");
  };
  assert.equal(await says(visitor, address), true);
  const mark = new URL(address, client.url).searchParams.get("mark") ?? "";
  assert.notEqual(mark, "");
  assert.ok(!form.startsWith(mark), "the address does not contain the token of the form");
  assert.equal(await says(new Visitor(client.url), address), false);
  for (const path of [
    "/ui/r/team/app/_tags?notice=deleted",
    address.replace(/mark=.{4}/, "mark=AAAA"),
    address.replace("/team/app/", "/team/other/"),
    address.replace("of=one", "of=one%2C+two"),
  ])
    assert.equal(await says(visitor, path), false, path);
});

test("of many deleted tags, the first are named", async () => {
  const made = image();
  const tags = ["v1", "v2", "v3", "v4"];
  for (const tag of tags) await client.pushImage("team/many", made, tag);
  const visitor = new Visitor(client.url);
  const path = `/ui/r/team/many/_delete?${tags.map((tag) => `tag=${tag}`).join("&")}`;
  const fields = Object.fromEntries(tags.map((tag) => [`digest of ${tag}`, made.digest]));
  const { headers } = await visitor.submit(path, fields, path);
  const page = (await visitor.get(headers.location ?? "")).body.toString();
  assert.match(page, /Deleted: v1, v2 and 2 more\. <a href="_removed">Removed tags<\/a>/);
});
