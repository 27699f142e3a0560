/** Referrers: for each subject a folder with one small file a referrer, its descriptor as the API lists it. */
import { readdir } from "node:fs/promises";
import { isObject, parseAnnotations, parseDescriptor } from "../../domain/descriptor.js";
import { type Digest, isDigest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { Referrer, ReferrerStore } from "../storage.js";
import { ifThere, putDurably, readIfThere, removeIfEmpty, removeIfThere } from "./files.js";
import type { Layout } from "./layout.js";
import type { Directories } from "./sync.js";

export class FileReferrers implements ReferrerStore {
  constructor(
    readonly layout: Layout,
    readonly directories: Directories,
  ) {}

  async add(name: RepositoryName, subject: Digest, referrer: Referrer): Promise<void> {
    const folder = this.layout.referrers(name, subject);
    const entry = JSON.stringify(referrer);
    await this.directories.within([folder], () =>
      putDurably(`${folder}/${referrer.digest}`, entry, this.layout.temporary(), this.directories.durability),
    );
    await this.directories.sync(folder);
  }

  async remove(name: RepositoryName, subject: Digest, referrer: Digest): Promise<void> {
    const folder = this.layout.referrers(name, subject);
    if (!(await removeIfThere(`${folder}/${referrer}`))) return;
    await this.directories.sync(folder);
    await removeIfEmpty(folder);
  }

  async *all(name: RepositoryName): AsyncIterable<{ subject: Digest; referrer: Digest }> {
    const folder = this.layout.referrersRoot(name);
    for (const subject of ((await ifThere(readdir(folder))) ?? []).filter(isDigest)) {
      for (const referrer of ((await ifThere(readdir(`${folder}/${subject}`))) ?? []).filter(isDigest))
        yield { subject, referrer };
    }
  }

  async *list(name: RepositoryName, subject: Digest, after?: Digest): AsyncIterable<Referrer> {
    const folder = this.layout.referrers(name, subject);
    const digests = ((await ifThere(readdir(folder))) ?? []).filter(isDigest).sort();
    for (const digest of digests) {
      if (after !== undefined && digest <= after) continue;
      const bytes = await readIfThere(`${folder}/${digest}`);
      const referrer = bytes && parseReferrer(bytes);
      if (referrer?.digest === digest) yield referrer;
    }
  }
}

/** An entry that a hand has damaged is passed over: it must not hide the others. */
function parseReferrer(bytes: Buffer): Referrer | undefined {
  try {
    const json: unknown = JSON.parse(bytes.toString());
    const { mediaType, digest, size } = parseDescriptor(json, "referrer");
    const { artifactType, annotations } = isObject(json) ? json : {};
    const parsed = parseAnnotations(annotations);
    return {
      mediaType,
      digest,
      size,
      ...(typeof artifactType === "string" && { artifactType }),
      ...(parsed && { annotations: parsed }),
    };
  } catch (error) {
    if (error instanceof RegistryError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
