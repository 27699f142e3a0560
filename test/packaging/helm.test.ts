/** The Helm chart, as helm reads it. */
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type Document, parse, parseAllDocuments } from "yaml";
import { run } from "../clients/support.js";
import { commandsOf, exampleOf } from "../documents/page.js";
import { issueCertificate } from "../support/certificates.js";
import { freePort } from "../support/free-port.js";
import { type GantrySettings, startGantry } from "../support/gantry.js";
import { eventually } from "../support/store.js";
import { type CertificateFiles, newCertificateFiles } from "../support/tls.js";
import { at, chart, container, needsHelm, render } from "./chart.js";
import { checkout } from "./pack.js";

interface HttpGet {
  readonly path: string;
  readonly port: string;
  readonly scheme?: string;
}

interface Port {
  readonly name: string;
  readonly containerPort?: number;
  readonly targetPort?: string;
}

const skip = needsHelm;
const always = ["ConfigMap", "Deployment", "PersistentVolumeClaim", "Service"];

const variants: readonly [what: string, values: string[], kinds: string[]][] = [
  ["as it is", [], always],
  ["behind an ingress", ["ingress.enabled=true", "ingress.tlsSecret=cert"], [...always, "Ingress"]],
  [
    "with an existing claim",
    ["persistence.existingClaim=mine"],
    always.filter((kind) => kind !== "PersistentVolumeClaim"),
  ],
  ["with secrets", ["htpasswd.existingSecret=users", "tls.existingSecret=cert"], always],
];

for (const [what, values, kinds] of variants) {
  test(`the chart ${what} is accepted by helm`, { skip }, async () => {
    await run("helm", ["lint", "--strict", chart, ...values.flatMap((value) => ["--set", value])]);
    assert.deepEqual([...(await render(...values)).keys()].sort(), [...kinds].sort());
  });
}

test("a value unknown to the chart is refused", { skip }, async () => {
  await assert.rejects(render("persistance.size=1Gi"), /persistance/);
});

test("one process at a time holds the store, as an unprivileged user", { skip }, async () => {
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

test("the chart runs the image of its version", { skip }, async () => {
  const { version } = JSON.parse(await readFile(join(checkout, "package.json"), "utf8"));
  assert.equal(at((await render()).get("Deployment"), ...container, "image"), `gantry:${version}`);
});

/** The settings of the pod's server, with its files in a folder of the test, and free ports. */
async function settingsOf(values: readonly string[], files: CertificateFiles): Promise<GantrySettings> {
  const rendered = await render(...values);
  const here = (text: string) => text.replaceAll("/etc/gantry", files.folder);
  const config = here(String(at(rendered.get("ConfigMap"), "data", "config.yml")));
  const variables = at(rendered.get("Deployment"), ...container, "env") as { name: string; value: string }[];
  return {
    ...Object.fromEntries(variables.map(({ name, value }) => [name, here(value)])),
    REGISTRY_CONFIGURATION_PATH: await files.write("config.yml", config),
    REGISTRY_HTTP_ADDR: `127.0.0.1:${await freePort()}`,
    REGISTRY_HTTP_DEBUG_ADDR: `127.0.0.1:${await freePort()}`,
    TMPDIR: files.folder,
  };
}

const tls = ["certificate=/etc/gantry/tls/tls.crt", "key=/etc/gantry/tls/tls.key"];

for (const [what, values, scheme] of [
  ["plain HTTP", [], "http:"],
  ["the chart's own TLS", ["tls.existingSecret=cert"], "https:"],
  ["TLS from the settings file", tls.map((value) => `config.http.tls.${value}`), "https:"],
  [
    "TLS by variables",
    [
      ...["CERTIFICATE", "KEY"].map((name, index) => `env[${index}].name=REGISTRY_HTTP_TLS_${name}`),
      ...["crt", "key"].map((end, index) => `env[${index}].value=/etc/gantry/tls/tls.${end}`),
    ],
    "https:",
  ],
  [
    "required client certificates",
    ["tls.existingSecret=cert", "config.http.tls.clientcas[0]=/etc/gantry/tls/tls.crt"],
    "https:",
  ],
  ["metrics", ["metrics.enabled=true"], "http:"],
] as const)
  test(`with ${what} the pod's server starts, and the probes reach it`, { skip }, async () => {
    const files = await newCertificateFiles();
    const { pem, keyPem } = await issueCertificate({ name: "registry" });
    await mkdir(join(files.folder, "tls"));
    await files.write("tls/tls.crt", pem);
    await files.write("tls/tls.key", keyPem);
    const settings = await settingsOf(values, files);
    const deployment = (await render(...values)).get("Deployment");
    await using server = await startGantry(settings);
    assert.equal(new URL(server.url).protocol, scheme);
    for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) {
      const { path, port, scheme: asked } = at(deployment, ...container, probe, "httpGet") as HttpGet;
      assert.deepEqual([port, asked], ["debug", undefined]);
      await eventually(`${path} says 200`, async () => {
        const { ok } = await fetch(`http://${settings.REGISTRY_HTTP_DEBUG_ADDR}${path}`);
        return ok || undefined;
      });
    }
    const metrics = await fetch(`http://${settings.REGISTRY_HTTP_DEBUG_ADDR}/metrics`);
    assert.equal(metrics.status, what === "metrics" ? 200 : 404);
  });

test("the ports of the pod are those of its server", { skip }, async () => {
  const rendered = await render("metrics.enabled=true");
  const variables = at(rendered.get("Deployment"), ...container, "env") as { name: string; value: string }[];
  const ports = at(rendered.get("Deployment"), ...container, "ports") as Port[];
  for (const [name, variable] of [
    ["registry", "REGISTRY_HTTP_ADDR"],
    ["debug", "REGISTRY_HTTP_DEBUG_ADDR"],
  ] as const) {
    const { containerPort } = ports.find((port) => port.name === name) ?? {};
    assert.deepEqual(
      variables.find((one) => one.name === variable),
      { name: variable, value: `:${containerPort}` },
    );
  }
  assert.deepEqual(
    (at(rendered.get("Service"), "spec", "ports") as Port[]).map(({ targetPort }) => targetPort),
    ["registry", "debug"],
  );
});

for (const value of [
  "env[0].name=REGISTRY_HTTP_ADDR",
  "env[0].name=REGISTRY_HTTP_DEBUG_ADDR",
  "config.http.addr=:80",
  "config.http.debug.addr=:80",
])
  test(`an address that probes would miss is refused: ${value}`, { skip }, async () => {
    await assert.rejects(render(value), /is the chart's to set/);
  });

test("helm accepts the command of the README", { skip }, async () => {
  const [command = ""] = commandsOf({ text: await exampleOf("README.md", "Install", "helm install") });
  // Installing needs a cluster; rendering does not.
  const [program = "", , ...rest] = command.split(" ");
  const said = await run(program, ["template", ...rest], { cwd: checkout });
  const kinds = parseAllDocuments(said).map((document) => String((document as Document).get("kind")));
  assert.deepEqual(kinds.sort(), [...always, "Ingress"].sort());
});

test("settings are in the file that the server reads, and a new file creates a new pod", {
  skip,
}, async () => {
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

test("users and certificate come from secrets, in the files of the settings", { skip }, async () => {
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
