/** The Helm chart, as helm reads it. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Document, parse, parseAllDocuments } from "yaml";
import { needs, run } from "../clients/support.js";
import { checkout } from "./pack.js";

const skip = needs("helm");
const chart = join(checkout, "deploy", "helm", "gantry");
const always = ["ConfigMap", "Deployment", "PersistentVolumeClaim", "Service"];
const container = ["spec", "template", "spec", "containers", 0];

async function render(...values: readonly string[]): Promise<ReadonlyMap<string, Document>> {
  const text = await run("helm", ["template", "test", chart, ...values.flatMap((value) => ["--set", value])]);
  const documents = parseAllDocuments(text) as Document[];
  return new Map(documents.map((document) => [String(document.get("kind")), document]));
}

function at(document: Document | undefined, ...path: readonly (string | number)[]): unknown {
  const value = document?.getIn(path);
  return typeof value === "object" && value !== null && "toJSON" in value
    ? JSON.parse(JSON.stringify(value))
    : value;
}

const variants: readonly [what: string, values: string[], kinds: string[]][] = [
  ["as it is", [], always],
  ["behind an ingress", ["ingress.enabled=true", "ingress.tlsSecret=cert"], [...always, "Ingress"]],
  [
    "with a claim of one's own",
    ["persistence.existingClaim=mine"],
    always.filter((kind) => kind !== "PersistentVolumeClaim"),
  ],
  ["with secrets", ["htpasswd.existingSecret=users", "tls.existingSecret=cert"], always],
];

for (const [what, values, kinds] of variants) {
  test(`the chart ${what} is one that helm accepts`, { skip }, async () => {
    await run("helm", ["lint", "--strict", chart, ...values.flatMap((value) => ["--set", value])]);
    assert.deepEqual([...(await render(...values)).keys()].sort(), [...kinds].sort());
  });
}

test("a value that the chart does not know is refused", { skip }, async () => {
  await assert.rejects(render("persistance.size=1Gi"), /persistance/);
});

test("one process at a time has the store, as a user with no privileges", { skip }, async () => {
  const deployment = (await render()).get("Deployment");
  assert.equal(at(deployment, "spec", "replicas"), 1);
  assert.equal(at(deployment, "spec", "strategy", "type"), "Recreate");
  assert.equal(at(deployment, "spec", "template", "spec", "securityContext", "runAsNonRoot"), true);
  assert.deepEqual(at(deployment, ...container, "securityContext"), {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
});

test("the chart runs the version of the image", { skip }, async () => {
  const { version } = JSON.parse(await readFile(join(checkout, "package.json"), "utf8"));
  assert.equal(at((await render()).get("Deployment"), ...container, "image"), `gantry:${version}`);
});

for (const [values, scheme] of [
  [[], "HTTP"],
  [["tls.existingSecret=cert"], "HTTPS"],
] as const)
  test(`a pod is restarted where it does not live, and gets clients where it is ready, over ${scheme}`, {
    skip,
  }, async () => {
    const deployment = (await render(...values)).get("Deployment");
    const paths = { startupProbe: "/livez", livenessProbe: "/livez", readinessProbe: "/readyz" };
    for (const [probe, path] of Object.entries(paths))
      assert.deepEqual(at(deployment, ...container, probe, "httpGet"), { path, port: "registry", scheme });
  });

test("settings are in the file that the server reads, and a new file makes a new pod", { skip }, async () => {
  const [before, after] = [await render(), await render("config.log.level=debug")];
  const file = at(after.get("ConfigMap"), "data", "config.yml");
  assert.deepEqual(parse(String(file)), { version: "0.1", log: { level: "debug" } });
  const sum = ["spec", "template", "metadata", "annotations", "checksum/config"];
  assert.notEqual(at(before.get("Deployment"), ...sum), at(after.get("Deployment"), ...sum));
  assert.deepEqual(at(after.get("Deployment"), ...container, "args"), [
    "serve",
    "--config",
    "/etc/gantry/config.yml",
  ]);
  const mounts = at(after.get("Deployment"), ...container, "volumeMounts") as { mountPath: string }[];
  assert.ok(mounts.some(({ mountPath }) => mountPath === "/etc/gantry/config.yml"));
});

test("users and certificate come from secrets, in files that the settings name", { skip }, async () => {
  const deployment = (await render("htpasswd.existingSecret=users", "tls.existingSecret=cert")).get(
    "Deployment",
  );
  const variables = at(deployment, ...container, "env") as { name: string; value: string }[];
  const mounts = at(deployment, ...container, "volumeMounts") as { name: string; mountPath: string }[];
  const volumes = at(deployment, "spec", "template", "spec", "volumes") as {
    name: string;
    secret?: object;
  }[];
  const files: readonly [variable: string, secret: string, file: string][] = [
    ["REGISTRY_AUTH_HTPASSWD_PATH", "users", "htpasswd"],
    ["REGISTRY_HTTP_TLS_CERTIFICATE", "cert", "tls.crt"],
    ["REGISTRY_HTTP_TLS_KEY", "cert", "tls.key"],
  ];
  for (const [variable, secretName, file] of files) {
    const path = variables.find(({ name }) => name === variable)?.value;
    const mount = mounts.find(({ mountPath }) => `${mountPath}/${file}` === path);
    const volume = volumes.find(({ name }) => name === mount?.name);
    assert.deepEqual(volume?.secret, { secretName, defaultMode: 288 }, variable);
  }
});
