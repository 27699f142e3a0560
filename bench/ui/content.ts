/** What is pushed to every measured registry: the same small images, in the same order. */
import { strict as assert } from "node:assert";
import { digestOf, manifestMediaType } from "../driver/registry.js";

export const namespace = "storefront";
export const visitedRepository = `${namespace}/api`;
/** A step of the image's history, which pages show beside its layer. */
export const layerCommand = "npm ci --omit=dev";

const steps = [
  "ADD rootfs.tar.gz /",
  "apk add nodejs",
  "COPY package.json ./",
  layerCommand,
  "COPY dist ./dist",
];
const layerBytes = 4_096;
const pushesAtOnce = 8;

export interface Amounts {
  readonly repositories: number;
  /** Of the visited repository; the others have one. */
  readonly tags: number;
}

/** Of the visited repository only. */
export const newestTag = "9.9.9";
const otherTag = "1.0.0";

export interface PushedImage {
  /** Of the layer that `layerCommand` made. */
  readonly layerDigest: string;
}

interface Described {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: string;
}

function described(bytes: Buffer, mediaType: string): Described {
  return { bytes, mediaType, digest: digestOf(bytes) };
}

function makeImage(): {
  readonly blobs: readonly Described[];
  readonly manifest: Buffer;
  readonly layerDigest: string;
} {
  const created = "2026-11-20T09:12:45Z";
  const layers = steps.map((step) =>
    described(Buffer.alloc(layerBytes, step), "application/vnd.oci.image.layer.v1.tar+gzip"),
  );
  const config = described(
    Buffer.from(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        created,
        config: { Env: ["PATH=/usr/bin:/bin", "PORT=8080"], Cmd: ["node", "dist/main.js"] },
        rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
        history: steps.map((step) => ({ created, created_by: step })),
      }),
    ),
    "application/vnd.oci.image.config.v1+json",
  );
  const descriptor = ({ bytes, mediaType, digest }: Described) => ({ mediaType, digest, size: bytes.length });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: manifestMediaType,
      config: descriptor(config),
      layers: layers.map(descriptor),
    }),
  );
  const layerDigest = layers[steps.indexOf(layerCommand)]?.digest;
  assert(layerDigest !== undefined);
  return { blobs: [config, ...layers], manifest, layerDigest };
}

/** Pushes everything to the registry at `url`, which lets anybody push. */
export async function pushContent(url: string, { repositories, tags }: Amounts): Promise<PushedImage> {
  const { blobs, manifest, layerDigest } = makeImage();
  const push = async (name: string, imageTags: readonly string[]): Promise<void> => {
    for (const blob of blobs) await pushBlob(url, name, blob);
    await inParallel(imageTags, (tag) =>
      put(`${url}/v2/${name}/manifests/${tag}`, manifest, manifestMediaType),
    );
  };
  const others = Array.from({ length: repositories - 1 }, (_, number) => `${namespace}/app-${number}`);
  await inParallel(others, (name) => push(name, [otherTag]));
  // The newest last, as the last push.
  await push(
    visitedRepository,
    Array.from({ length: tags - 1 }, (_, number) => `1.${number}.0`),
  );
  await push(visitedRepository, [newestTag]);
  return { layerDigest };
}

async function pushBlob(url: string, name: string, { bytes, digest }: Described): Promise<void> {
  const opened = await fetch(`${url}/v2/${name}/blobs/uploads/`, { method: "POST" });
  await opened.arrayBuffer();
  assert.equal(opened.status, 202, `POST of an upload to ${url}`);
  const session = new URL(opened.headers.get("location") ?? "", url);
  session.searchParams.set("digest", digest);
  await put(session.href, bytes, "application/octet-stream");
}

async function put(url: string, body: Buffer, type: string): Promise<void> {
  const reply = await fetch(url, { method: "PUT", body, headers: { "Content-Type": type } });
  const text = await reply.text();
  assert.equal(reply.status, 201, `PUT ${url}: ${text}`);
}

async function inParallel<T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<void> {
  const remaining = items.values();
  const work = async () => {
    for (const item of remaining) await act(item);
  };
  await Promise.all(Array.from({ length: pushesAtOnce }, work));
}
