/**
 * Creates images for the clients to push: tar archives, and OCI layouts on disk with content unique to the run. The runnable
 * ones contain a static busybox, so that a pulled image can prove itself by running.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** Debian's busybox-static: a single file that runs in an otherwise empty image. */
const busybox = "/bin/busybox";

const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
} as const;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

export function digestOf(content: string | Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

/** A tar archive of plain files; names are at most 100 bytes, no folder entries are needed by any client. */
export function tarOf(files: Readonly<Record<string, string | Buffer>>): Buffer {
  const parts = Object.entries(files).flatMap(([name, content]) => {
    const body = Buffer.from(content);
    return [tarHeader(name, body.length), body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function tarHeader(name: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, width: number) => value.toString(8).padStart(width - 1, "0");
  header.write(name, 0, 100);
  header.write(octal(0o755, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(size, 12), 124);
  header.write(octal(0, 12), 136);
  header.write(" ".repeat(8), 148); // the checksum is computed with its own field as spaces
  header.write("0", 156);
  header.write("ustar\u000000", 257);
  header.write(
    octal(
      header.reduce((sum, byte) => sum + byte, 0),
      7,
    ),
    148,
  );
  return header;
}

/** A root file system that can run `/bin/busybox cat /greeting`, which prints `greeting`. */
export async function runnableTar(greeting: string): Promise<Buffer> {
  return tarOf({ "bin/busybox": await readFile(busybox), greeting });
}

export function uniqueText(): string {
  return `gantry-${randomUUID()}`;
}

/** An OCI layout being written: blobs first, then manifests, the index last. */
export class Layout {
  private constructor(readonly path: string) {}

  static async create(path: string): Promise<Layout> {
    await mkdir(join(path, "blobs", "sha256"), { recursive: true });
    await writeFile(join(path, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
    return new Layout(path);
  }

  async add(mediaType: string, content: string | Buffer): Promise<Descriptor> {
    const digest = digestOf(content);
    await writeFile(join(this.path, "blobs", ...digest.split(":")), content);
    return { mediaType, digest, size: Buffer.byteLength(content) };
  }

  /** An image with layers given as uncompressed tar archives. */
  async addImage(tars: readonly Buffer[], platform: Platform): Promise<Descriptor> {
    const layers = await Promise.all(tars.map((tar) => this.add(mediaTypes.layer, gzipSync(tar))));
    const config = await this.add(
      mediaTypes.config,
      JSON.stringify({
        ...platform,
        config: { Cmd: ["/bin/busybox", "cat", "/greeting"] },
        rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
      }),
    );
    const { manifest: mediaType } = mediaTypes;
    return this.add(mediaType, JSON.stringify({ schemaVersion: 2, mediaType, config, layers }));
  }

  async addIndex(manifests: readonly (Descriptor & { readonly platform: Platform })[]): Promise<Descriptor> {
    const { index: mediaType } = mediaTypes;
    return this.add(mediaType, JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  }

  /** Names the layout's content; the layout is complete after this. */
  async finish(root: Descriptor, tag: string): Promise<void> {
    const annotations = { "org.opencontainers.image.ref.name": tag };
    await writeFile(
      join(this.path, "index.json"),
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.index,
        manifests: [{ ...root, annotations }],
      }),
    );
  }
}

/** A layout with one image for this machine's platform, tagged `latest`. Returns its manifest's digest. */
export async function writeImage(path: string, tars: readonly Buffer[]): Promise<string> {
  const layout = await Layout.create(path);
  const image = await layout.addImage(tars, { os: "linux", architecture: "amd64" });
  await layout.finish(image, "latest");
  return image.digest;
}

/** A layout with an index of one image for each of several platforms, tagged `latest`. Returns its digest. */
export async function writeMultiPlatformImage(path: string, greeting: string): Promise<string> {
  const layout = await Layout.create(path);
  const images = [];
  for (const architecture of ["amd64", "arm64", "s390x"]) {
    const platform = { os: "linux", architecture };
    // Shares its first layer with the other images, like images built from one base.
    const tars = [tarOf({ base: greeting }), tarOf({ platform: `${greeting} ${architecture}` })];
    images.push({ ...(await layout.addImage(tars, platform)), platform });
  }
  const index = await layout.addIndex(images);
  await layout.finish(index, "latest");
  return index.digest;
}
