// A small registry as a team might have it, for screenshots.

import { createHash } from "node:crypto";
import type { Client } from "../support/client.js";
import {
  type Blob,
  blobOf,
  describe,
  descriptorOf,
  digestOf,
  type Image,
  index,
  manifestOf,
  types,
} from "../support/content.js";
import { tarball } from "./hostile-content.js";

/** Bytes that depend on their name only, so that two runs give the same digests. */
function content(name: string, size: number): Blob {
  const block = createHash("sha256").update(name).digest();
  const bytes = Buffer.alloc(size, block);
  return { bytes, digest: digestOf(bytes) };
}

interface Step {
  readonly command: string;
  /** Size of its layer; absent for a step without one. */
  readonly bytes?: number;
}

const base: readonly Step[] = [
  { command: "/bin/sh -c #(nop) ADD file:0c7e2b1f6d in / ", bytes: 412_000 },
  { command: '/bin/sh -c #(nop)  CMD ["/bin/sh"]' },
];

const node: readonly Step[] = [
  ...base,
  { command: "ENV NODE_VERSION=24.11.0" },
  {
    command: "RUN /bin/sh -c addgroup -g 1000 node && adduser -u 1000 -G node -s /bin/sh -D node # buildkit",
    bytes: 830_000,
  },
  { command: 'ENTRYPOINT ["docker-entrypoint.sh"]' },
];

function platformImage(name: string, version: string, architecture: string, steps: readonly Step[]): Image {
  const layers = steps.flatMap(({ command, bytes }) =>
    bytes === undefined ? [] : [content(`${architecture} ${command}`, bytes)],
  );
  const created = "2026-11-20T09:12:45Z";
  const config = blobOf(
    JSON.stringify({
      architecture,
      os: "linux",
      ...(architecture === "arm64" && { variant: "v8" }),
      created,
      config: {
        Env: [
          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          "NODE_VERSION=24.11.0",
          "PORT=8080",
        ],
        Entrypoint: ["docker-entrypoint.sh"],
        Cmd: ["node", "dist/main.js"],
        WorkingDir: "/app",
        User: "node",
        ExposedPorts: { "8080/tcp": {} },
        Labels: {
          "org.opencontainers.image.title": name,
          "org.opencontainers.image.version": version,
          "org.opencontainers.image.source": `https://git.example.com/${name}`,
          "org.opencontainers.image.licenses": "MIT",
        },
      },
      history: steps.map(({ command, bytes }) => ({
        created,
        created_by: command,
        ...(bytes === undefined && { empty_layer: true }),
      })),
      rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
    }),
  );
  return manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(config, types.config),
      layers: layers.map((layer) => descriptorOf(layer, types.layer)),
    },
    [config, ...layers],
  );
}

/** Pushes an image for two platforms, and returns its index. */
async function pushImage(
  client: Client,
  name: string,
  version: string,
  tags: readonly string[],
  steps: readonly Step[],
): Promise<Image> {
  const children = ["amd64", "arm64"].map((architecture) => ({
    architecture,
    made: platformImage(name, version, architecture, steps),
  }));
  for (const { made } of children) await client.pushImage(name, made);
  const whole = index(
    children.map(({ made }) => made),
    {
      manifests: children.map(({ made, architecture }) => ({
        ...describe(made),
        platform: { os: "linux", architecture, ...(architecture === "arm64" && { variant: "v8" }) },
      })),
      annotations: {
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.created": "2026-11-20T09:12:45Z",
      },
    },
  );
  for (const tag of tags) await client.pushImage(name, whole, tag);
  return whole;
}

const empty = blobOf("{}");

async function pushReferrer(
  client: Client,
  name: string,
  subject: Image,
  artifactType: string,
  title: string,
  annotations: Record<string, string>,
): Promise<void> {
  const file = blobOf(JSON.stringify({ title, subject: subject.digest }));
  await client.pushImage(
    name,
    manifestOf(
      {
        schemaVersion: 2,
        mediaType: types.manifest,
        artifactType,
        config: descriptorOf(empty, "application/vnd.oci.empty.v1+json"),
        layers: [
          { ...descriptorOf(file, artifactType), annotations: { "org.opencontainers.image.title": title } },
        ],
        subject: describe(subject),
        annotations,
      },
      [empty, file],
    ),
  );
}

async function pushChart(client: Client): Promise<void> {
  const chart = {
    apiVersion: "v2",
    name: "storefront",
    version: "3.2.0",
    appVersion: "2.4.1",
    description: "The storefront with its API and worker",
    maintainers: [{ name: "Platform team", email: "platform@example.com" }],
    dependencies: [{ name: "valkey", version: "4.x", repository: "oci://registry.example.com/charts" }],
  };
  const config = blobOf(JSON.stringify(chart));
  const bytes = tarball({
    "storefront/Chart.yaml": JSON.stringify(chart),
    "storefront/values.yaml":
      "# Number of replicas of the API.\nreplicas: 3\nimage:\n  repository: storefront/api\n  tag: 2.4.1\ningress:\n  enabled: true\n  host: shop.example.com\n",
    "storefront/README.md":
      "# Storefront\n\nInstalls the storefront, its API and its worker.\n\n## Install\n\n```sh\nhelm install shop oci://registry.example.com/charts/storefront\n```\n\n| value | default | meaning |\n| --- | --- | --- |\n| `replicas` | 3 | replicas of the API |\n| `ingress.host` | | name of the shop |\n",
  });
  const archive = { bytes, digest: digestOf(bytes) };
  const made = manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(config, "application/vnd.cncf.helm.config.v1+json"),
      layers: [descriptorOf(archive, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
      annotations: {
        "org.opencontainers.image.title": "storefront",
        "org.opencontainers.image.version": "3.2.0",
      },
    },
    [config, archive],
  );
  await client.pushImage("charts/storefront", made, "3.2.0");
}

/** Pushes everything. */
export async function pushDemo(client: Client): Promise<void> {
  for (const [version, further] of [
    ["1.9.0", []],
    ["2.3.0", ["2.3", "latest"]],
    ["2.4.0", ["latest"]],
    ["2.4.1", ["2.4", "2", "latest"]],
  ] as const) {
    const steps = [
      ...node,
      { command: "WORKDIR /app" },
      { command: "COPY package.json package-lock.json ./ # buildkit", bytes: 3_100 },
      { command: `RUN /bin/sh -c npm ci --omit=dev # buildkit, for ${version}`, bytes: 1_900_000 },
      { command: `COPY dist ./dist # buildkit, for ${version}`, bytes: 640_000 },
      { command: "EXPOSE map[8080/tcp:{}]" },
      { command: 'CMD ["node" "dist/main.js"]' },
    ];
    const whole = await pushImage(client, "storefront/api", version, [version, ...further], steps);
    if (version === "2.4.1") {
      await pushReferrer(
        client,
        "storefront/api",
        whole,
        "application/vnd.dev.cosign.artifact.sig.v1+json",
        "signature",
        {},
      );
      await pushReferrer(client, "storefront/api", whole, "application/spdx+json", "sbom.spdx.json", {
        "org.opencontainers.image.created": "2026-11-20T09:13:10Z",
      });
      await pushReferrer(client, "storefront/api", whole, "application/vnd.in-toto+json", "provenance.json", {
        "in-toto.io/predicate-type": "https://slsa.dev/provenance/v1",
      });
    }
  }
  await pushImage(client, "storefront/web", "5.0.2", ["5.0.2", "latest"], node);
  await pushImage(client, "storefront/worker", "1.1.0", ["1.1.0"], node);
  await pushImage(client, "platform/base/alpine", "3.22", ["3.22", "latest"], base);
  await pushImage(client, "platform/base/node", "24", ["24", "24-alpine"], node);
  await pushImage(client, "platform/ci/runner", "12", ["12"], node);
  await pushImage(client, "scratchpad", "dev", ["dev"], base);
  await pushChart(client);
  const wasm = content("filter.wasm", 184_000);
  await client.pushImage(
    "platform/filters",
    manifestOf(
      {
        schemaVersion: 2,
        mediaType: types.manifest,
        artifactType: "application/vnd.wasm.content.layer.v1+wasm",
        config: descriptorOf(empty, "application/vnd.oci.empty.v1+json"),
        layers: [
          {
            ...descriptorOf(wasm, "application/wasm"),
            annotations: { "org.opencontainers.image.title": "filter.wasm" },
          },
        ],
      },
      [empty, wasm],
    ),
    "1.0.0",
  );
}
