// Images and artifacts whose every free text is hostile.

import { gzipSync } from "node:zlib";
import type { Client } from "../support/client.js";
import {
  type Blob,
  blobOf,
  describe,
  descriptorOf,
  digestOf,
  type Image,
  image,
  index,
  manifestOf,
  types,
} from "../support/content.js";
import { hostileTexts } from "./hostile-texts.js";

const emptyConfig = blobOf("{}");

/** Texts in one image: a page shows the first of each kind. */
const textsAtOnce = 8;

/** A tar archive of these files, compressed. */
export function tarball(files: Readonly<Record<string, string>>): Buffer {
  const blocks: Buffer[] = [];
  for (const [name, text] of Object.entries(files)) {
    const bytes = Buffer.from(text);
    const head = Buffer.alloc(512);
    head.write(name, 0, 100);
    head.write("0000644\0", 100);
    head.write(`${bytes.length.toString(8).padStart(11, "0")}\0`, 124);
    head.write("0", 156);
    head.write("ustar\x0000", 257);
    head.write("        ", 148);
    const sum = head.reduce((total, byte) => total + byte, 0);
    head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    blocks.push(head, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512));
  }
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

/** Pushes everything, and returns the repositories. */
export async function pushHostile(client: Client): Promise<string[]> {
  for (let start = 0; start < hostileTexts.length; start += textsAtOnce) {
    const texts = hostileTexts.slice(start, start + textsAtOnce);
    const tag = `texts-${start}`;
    await client.pushImage("hostile/images", hostileImage(texts), tag);
    await client.pushImage("hostile/charts", hostileChart(texts), tag);
    await client.pushImage("hostile/files", hostileFiles(texts), tag);
    await pushReferrers(client, texts, tag);
  }
  return ["hostile/images", "hostile/charts", "hostile/files", "hostile/subjects"];
}

/** Named by the texts, and with each of them as a value. */
function annotationsOf(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries([
    ...texts.map((text, number) => [`value-${number}`, text]),
    ...texts.map((text) => [text, "name"]),
    ["org.opencontainers.image.title", texts.join(" ")],
    ["org.opencontainers.image.description", texts.join("\n")],
    ["org.opencontainers.image.source", texts[0] ?? ""],
    ["org.opencontainers.image.url", texts[1] ?? ""],
    ["org.opencontainers.image.documentation", texts[2] ?? ""],
    ["org.opencontainers.image.created", texts[3] ?? ""],
    ["org.opencontainers.image.licenses", texts[4] ?? ""],
    ["in-toto.io/predicate-type", texts[5] ?? ""],
  ]);
}

function hostileImage(texts: readonly string[]): Image {
  const [text = ""] = texts;
  const layers = texts.map(() => blobOf(100));
  const config = blobOf(
    JSON.stringify({
      architecture: text,
      os: text,
      variant: text,
      "os.version": text,
      author: texts.join(" "),
      created: text,
      config: {
        Env: [...texts.map((value, number) => `NAME${number}=${value}`), ...texts],
        Entrypoint: texts,
        Cmd: texts,
        User: text,
        WorkingDir: text,
        StopSignal: text,
        Labels: annotationsOf(texts),
        ExposedPorts: Object.fromEntries(texts.map((name) => [name, {}])),
        Volumes: Object.fromEntries(texts.map((name) => [name, {}])),
      },
      history: texts.map((line) => ({ created: line, created_by: line, author: line, comment: line })),
      rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
    }),
  );
  return manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(config, types.config),
      layers: layers.map((layer) => ({
        ...descriptorOf(layer, types.layer),
        annotations: annotationsOf(texts),
      })),
      annotations: annotationsOf(texts),
    },
    [config, ...layers],
  );
}

function hostileChart(texts: readonly string[]): Image {
  const chart = {
    apiVersion: "v2",
    name: texts[0],
    version: texts[1],
    appVersion: texts[2],
    description: texts.join(" "),
    home: texts[3],
    icon: texts[4],
    sources: texts,
    keywords: texts,
    maintainers: texts.map((text) => ({ name: text, email: text, url: text })),
    dependencies: texts.map((text) => ({ name: text, version: text, repository: text, condition: text })),
    annotations: annotationsOf(texts),
    type: texts[5],
  };
  const config = blobOf(JSON.stringify(chart));
  const bytes = tarball({
    "chart/Chart.yaml": JSON.stringify(chart),
    "chart/values.yaml": texts
      .map((text, number) => `key${number}: ${JSON.stringify(text)} # ${text}`)
      .join("\n"),
    "chart/README.md": [
      ...texts,
      ...texts.map((text) => `# ${text}\n\n[${text}](${text})\n\n![${text}](${text})`),
    ].join("\n\n"),
  });
  const content: Blob = { bytes, digest: digestOf(bytes) };
  return manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(config, "application/vnd.cncf.helm.config.v1+json"),
      layers: [descriptorOf(content, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")],
      annotations: annotationsOf(texts),
    },
    [config, content],
  );
}

function hostileFiles(texts: readonly string[]): Image {
  const files = texts.map((text) => blobOf(text === "" ? "empty" : text));
  const config = blobOf("{}");
  return manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      artifactType: "application/vnd.example.files",
      config: descriptorOf(config, "application/vnd.oci.empty.v1+json"),
      layers: files.map((file, number) => ({
        ...descriptorOf(file, "text/html"),
        annotations: { ...annotationsOf(texts), "org.opencontainers.image.title": texts[number] },
      })),
      annotations: annotationsOf(texts),
    },
    [config, ...files],
  );
}

/** Annotations beside a subject are bounded. */
const referrerTextMax = 5_000;

/** An index of hostile platforms, with a referrer for each text. */
async function pushReferrers(client: Client, texts: readonly string[], tag: string): Promise<void> {
  const name = "hostile/subjects";
  const child = image();
  await client.pushImage(name, child);
  const subject = index([child], {
    manifests: texts.map((text) => ({
      ...describe(child),
      platform: { os: text, architecture: text, variant: text, "os.version": text },
      annotations: annotationsOf(texts),
    })),
    annotations: annotationsOf(texts),
  });
  await client.pushImage(name, subject, tag);
  for (const text of texts) {
    const referrer = manifestOf(
      {
        ...JSON.parse(hostileFiles([text]).bytes.toString()),
        subject: describe(subject),
        layers: [],
        config: { mediaType: "application/vnd.oci.empty.v1+json", digest: emptyConfig.digest, size: 2 },
        annotations: annotationsOf([text.slice(0, referrerTextMax)]),
      },
      [emptyConfig],
    );
    await client.pushImage(name, referrer);
  }
}
