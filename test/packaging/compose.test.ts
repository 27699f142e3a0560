/** The compose file, as docker-compose reads it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { needs, run } from "../clients/support.js";
import { gantryProcess as gantry } from "../support/command.js";
import { checkout } from "./pack.js";

const skip = needs("docker-compose");
const file = join(checkout, "deploy", "compose.yaml");

test("the compose file keeps the store, and gives the container only what it needs", {
  skip,
}, async () => {
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

test("a server can start with the settings of the compose file", { skip }, async () => {
  const { services } = parse(await run("docker-compose", ["--file", file, "config"]));
  const { code, stderr } = await gantry(
    "/var/lib/registry",
    ["config", "check"],
    services.gantry.environment,
  );
  assert.equal(code, 0, stderr);
});
