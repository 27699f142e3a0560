/** The Helm chart with a bucket instead of a volume, and with several nodes. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../clients/support.js";
import { Client } from "../support/client.js";
import { image } from "../support/content.js";
import { freePort } from "../support/free-port.js";
import { startGantry } from "../support/gantry.js";
import { needsVersitygw, type S3Server, startS3Server } from "../support/s3-server.js";
import { at, chart, container, needsHelm, render } from "./chart.js";

interface Variable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
}

const bucket = ["config.storage.s3.bucket=images", "config.storage.s3.region=eu-central-1"];
const secrets = ["s3.existingSecret=keys"];
const engine = ["config.redis.addrs[0]=valkey:6379", "redis.existingSecret=engine"];
const several = [...bucket, ...secrets, ...engine, "replicas=3"];

for (const [what, values, kinds] of [
  ["a bucket", bucket, ["ConfigMap", "Deployment", "Service"]],
  ["three nodes", several, ["ConfigMap", "Deployment", "PodDisruptionBudget", "Service"]],
] as const)
  test(`the chart with ${what} is accepted by helm, and claims no volume`, { skip: needsHelm }, async () => {
    await run("helm", ["lint", "--strict", chart, ...values.flatMap((value) => ["--set", value])]);
    const rendered = await render(...values);
    assert.deepEqual([...rendered.keys()].sort(), kinds);
    const volumes = JSON.stringify(at(rendered.get("Deployment"), "spec", "template", "spec", "volumes"));
    assert.ok(!volumes.includes("persistentVolumeClaim"), volumes);
  });

for (const [what, values, message] of [
  [
    "several nodes with a volume",
    ["replicas=2"],
    /2 nodes need a store that they share: set config\.storage\.s3/,
  ],
  [
    "several nodes without an engine",
    [...bucket, "replicas=2"],
    /2 nodes need an engine that they share.*config\.redis\.addrs/,
  ],
  ["no node", ["replicas=0"], /replicas/],
] as const)
  test(`the chart refuses ${what}`, { skip: needsHelm }, async () => {
    await assert.rejects(render(...values), message);
  });

test("an update of several nodes starts a new one before it stops an old one", {
  skip: needsHelm,
}, async () => {
  const rendered = await render(...several);
  const deployment = rendered.get("Deployment");
  assert.equal(at(deployment, "spec", "replicas"), 3);
  assert.deepEqual(at(deployment, "spec", "strategy"), {
    type: "RollingUpdate",
    rollingUpdate: { maxUnavailable: 0, maxSurge: 1 },
  });
  const pod = ["spec", "template", "spec"];
  const pause = at(deployment, ...container, "lifecycle", "preStop", "exec", "command") as string[];
  assert.equal(pause[0], "sleep");
  const drainSeconds = 30;
  const grace = Number(at(deployment, ...pod, "terminationGracePeriodSeconds"));
  assert.ok(grace > Number(pause[1]) + drainSeconds, "a pod may drain before it is killed");
  const budget = rendered.get("PodDisruptionBudget");
  assert.equal(at(budget, "spec", "maxUnavailable"), 1);
  assert.deepEqual(
    at(budget, "spec", "selector", "matchLabels"),
    at(deployment, "spec", "selector", "matchLabels"),
  );
});

test("one node with a bucket and no engine is stopped before the next one starts", {
  skip: needsHelm,
}, async () => {
  assert.deepEqual(at((await render(...bucket)).get("Deployment"), "spec", "strategy"), { type: "Recreate" });
});

test("the pod's server starts on a bucket, with the keys from the secret", {
  skip: needsHelm || needsVersitygw,
}, async () => {
  await using server = await startS3Server();
  const values = [
    `config.storage.s3.bucket=${server.bucket}`,
    `config.storage.s3.regionendpoint=${server.endpoint}`,
    ...secrets,
  ];
  const rendered = await render(...values);
  const folder = await mkdtemp(join(tmpdir(), "gantry-chart-"));
  try {
    const config = join(folder, "config.yml");
    await writeFile(config, String(at(rendered.get("ConfigMap"), "data", "config.yml")));
    const variables = at(rendered.get("Deployment"), ...container, "env") as readonly Variable[];
    await using registry = await startGantry({
      ...Object.fromEntries(variables.map((variable) => [variable.name, resolved(variable, server, folder)])),
      REGISTRY_CONFIGURATION_PATH: config,
      REGISTRY_HTTP_ADDR: `127.0.0.1:${await freePort()}`,
      REGISTRY_HTTP_DEBUG_ADDR: `127.0.0.1:${await freePort()}`,
    });
    const pushed = image();
    await new Client(registry.url).pushImage("app", pushed, "v1");
    assert.ok((await server.requests()).some(({ path }) => path.includes("/data/")));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** The kubelet's part: reads the secrets, and mounts `folder` for scratch files. */
function resolved({ value = "", valueFrom }: Variable, server: S3Server, folder: string): string {
  const keys: Readonly<Record<string, string>> = {
    "keys/accesskey": server.accessKey,
    "keys/secretkey": server.secretKey,
  };
  if (valueFrom === undefined) return value.replace("/var/lib/gantry", folder);
  const { name, key } = valueFrom.secretKeyRef;
  const found = keys[`${name}/${key}`];
  assert.ok(found !== undefined, `${name} has no key ${key}`);
  return found;
}
