// Writes a storage folder as CNCF distribution 2.8 leaves it, byte for byte: link files contain a digest without a line
// break, tags have a history besides their target. Knows nothing of src/.

import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { Blob, Image } from "./content.js";

export class DistributionFolder {
  readonly root: string;

  constructor(readonly path: string) {
    this.root = `${path}/docker/registry/v2`;
  }

  data(digest: string): string {
    const [algorithm = "", hex = ""] = digest.split(":");
    return `${this.root}/blobs/${algorithm}/${hex.slice(0, 2)}/${hex}/data`;
  }

  repository(name: string): string {
    return `${this.root}/repositories/${name}`;
  }

  layer(name: string, digest: string): string {
    return `${this.repository(name)}/_layers/${digest.replace(":", "/")}/link`;
  }

  revision(name: string, digest: string): string {
    return `${this.repository(name)}/_manifests/revisions/${digest.replace(":", "/")}/link`;
  }

  tag(name: string, tag: string): string {
    return `${this.repository(name)}/_manifests/tags/${tag}`;
  }

  async addBlob(name: string, { bytes, digest }: Blob): Promise<void> {
    await write(this.data(digest), bytes);
    await write(this.layer(name, digest), digest);
  }

  /** A manifest with its blobs, without a tag if none is given. */
  async addImage(name: string, image: Image, ...tags: readonly string[]): Promise<void> {
    for (const blob of image.blobs) await this.addBlob(name, blob);
    await write(this.data(image.digest), image.bytes);
    await write(this.revision(name, image.digest), image.digest);
    for (const tag of tags) await this.point(name, tag, image.digest);
  }

  async point(name: string, tag: string, digest: string): Promise<void> {
    await write(`${this.tag(name, tag)}/current/link`, digest);
    await write(`${this.tag(name, tag)}/index/${digest.replace(":", "/")}/link`, digest);
  }
}

/** Writes a file and the folders above it. */
export async function write(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}
