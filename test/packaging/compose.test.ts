/** The compose file, as docker-compose reads it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { needs, run } from "../clients/support.js";
import { checkout } from "./pack.js";

test("the compose file keeps the store, and gives the container no more than it needs", {
  skip: needs("docker-compose"),
}, async () => {
  const file = join(checkout, "deploy", "compose.yaml");
  const { services, volumes } = parse(await run("docker-compose", ["--file", file, "config"]));
  const { gantry } = services;
  assert.deepEqual(gantry.volumes, ["store:/var/lib/registry:rw"]);
  assert.ok("store" in volumes);
  assert.deepEqual(gantry.build, {
    context: checkout.replace(/\/$/, ""),
    dockerfile: "deploy/docker/Dockerfile",
  });
  assert.equal(gantry.read_only, true);
  assert.deepEqual(gantry.cap_drop, ["ALL"]);
  assert.deepEqual(gantry.ports, ["127.0.0.1:5000:5000/tcp"], "on this machine only");
});
