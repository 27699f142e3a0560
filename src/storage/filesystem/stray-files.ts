/**
 * Walks the whole store for what no part of it has put there. What should be a blob, manifest or tag and is
 * not is none of this file's business: whoever checks those meets it by its name.
 */
import type { Dirent } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { relative } from "node:path";
import { algorithms, isDigest } from "../../domain/digest.js";
import { isTag } from "../../domain/reference.js";
import { isRepositoryName } from "../../domain/repository-name.js";
import { isSessionId } from "../../domain/session-id.js";
import type { StrayFile } from "../disk-operations.js";
import { errorCode } from "./files.js";
import {
  componentOf,
  type Layout,
  pointerFile,
  pulledFile,
  tagManifestFile,
  temporarySuffix,
} from "./layout.js";
import type { Quarantine } from "./quarantine.js";
import { parseRobot, robotOf } from "./robots.js";
import { sessionOf } from "./uploads.js";

type Found = AsyncIterable<StrayFile>;

const ofTags = new Set([pointerFile, tagManifestFile, pulledFile]);

/** Beside the folders of the layout: what a file system puts into its own root. */
const tolerated = new Set(["lost+found"]);

export class StrayFiles {
  /** Of the walk that is under way. */
  #unread: StrayFile[] = [];

  constructor(
    readonly layout: Layout,
    readonly quarantined: Quarantine,
  ) {}

  async *all(): Found {
    const { blobsRoot, manifestsRoot, contentRoot, uploadsRoot, robotsRoot } = this.layout;
    this.#unread = [];
    yield* this.foreign();
    yield* this.#namespace(blobsRoot, "", () => undefined);
    yield* this.#namespace(manifestsRoot, "", (entry, path) => this.#ofManifests(entry, path));
    for (const entry of await this.#entries(contentRoot)) yield* this.#contents(entry);
    for (const { name } of await this.#entries(uploadsRoot)) {
      if (!isSessionId(name) && sessionOf(name) === undefined && !name.endsWith(temporarySuffix))
        yield this.#odd(`${uploadsRoot}/${name}`, "not an upload");
    }
    for (const entry of await this.#entries(robotsRoot)) yield* this.#robot(entry);
    for (const folder of [this.layout.notesRoot, this.layout.secretsRoot])
      for (const entry of await this.#entries(folder))
        if (!entry.isFile()) yield this.#odd(`${folder}/${entry.name}`, "not a file");
    yield* this.#unread;
  }

  /** What lies beside the folders of the store. */
  async *foreign(): Found {
    const { layout } = this;
    const own = new Set([
      ...[layout.blobsRoot, layout.manifestsRoot, layout.contentRoot, layout.uploadsRoot],
      ...[layout.recordsRoot, layout.notesRoot, layout.secretsRoot, layout.robotsRoot, layout.quarantineRoot],
      ...[layout.controlSocket, layout.lock],
    ]);
    for (const { name } of await this.#entries(layout.root)) {
      const path = `${layout.root}/${name}`;
      if (own.has(path) || tolerated.has(name)) continue;
      const another = name === "docker" && (await this.#entries(`${path}/registry`)).length > 0;
      yield this.#odd(
        path,
        another
          ? "a store of CNCF distribution, whose content is not served: gantry import --from-distribution takes it in"
          : "not part of the store",
      );
    }
  }

  quarantine(odd: StrayFile): Promise<boolean> {
    return this.quarantined.take(`${this.layout.root}/${odd.path}`);
  }

  /** Folders of repositories. `special` gives what it knows of entries that are no component of a name. */
  async *#namespace(
    folder: string,
    prefix: string,
    special: (entry: Dirent, path: string) => Found | undefined,
  ): Found {
    for (const entry of await this.#entries(folder)) {
      const path = `${folder}/${entry.name}`;
      if (isDigest(entry.name) && prefix !== "") continue;
      const own = prefix === "" ? undefined : special(entry, path);
      const component = componentOf(entry.name);
      const name = component === undefined ? "" : `${prefix}${component}`;
      if (own !== undefined) yield* own;
      else if (!isRepositoryName(name)) yield this.#odd(path, "not named as a repository is");
      else if (entry.isDirectory()) yield* this.#namespace(path, `${name}/`, special);
      else yield this.#odd(path, "a file where a repository's folder belongs", true);
    }
  }

  #ofManifests(entry: Dirent, path: string): Found | undefined {
    if (entry.name !== "tags" && entry.name !== "_referrers") return undefined;
    if (!entry.isDirectory()) return one(this.#odd(path, "a file where a folder belongs", true));
    return entry.name === "tags" ? this.#tags(path) : this.#referrers(path);
  }

  async *#tags(folder: string): Found {
    for (const entry of await this.#entries(folder)) {
      const path = `${folder}/${entry.name}`;
      if (!isTag(entry.name)) yield this.#odd(path, "not named as a tag is");
      else if (entry.isDirectory()) {
        for (const { name } of await this.#entries(path)) {
          if (!ofTags.has(name)) yield this.#odd(`${path}/${name}`, "not part of a tag");
        }
      }
    }
  }

  async *#referrers(folder: string): Found {
    for (const entry of await this.#entries(folder)) {
      const path = `${folder}/${entry.name}`;
      if (!isDigest(entry.name)) yield this.#odd(path, "not named as a subject is");
      else if (!entry.isDirectory()) yield this.#odd(path, "a file where a folder belongs", true);
      else {
        for (const inner of await this.#entries(path)) {
          if (!isDigest(inner.name)) yield this.#odd(`${path}/${inner.name}`, "not named as a referrer is");
          else if (!inner.isFile())
            yield this.#odd(`${path}/${inner.name}`, "not a file, where one belongs", true);
        }
      }
    }
  }

  /** `content/<algorithm>/<first two>/<hex>`. */
  async *#contents(algorithm: Dirent): Found {
    const root = `${this.layout.contentRoot}/${algorithm.name}`;
    if (!algorithms.some((known) => known === algorithm.name)) yield this.#odd(root, "not an algorithm");
    else if (!algorithm.isDirectory()) yield this.#odd(root, "a file where a folder belongs", true);
    else {
      for (const start of await this.#entries(root)) {
        const folder = `${root}/${start.name}`;
        if (!/^[0-9a-f]{2}$/.test(start.name)) yield this.#odd(folder, "not the start of a digest");
        else if (!start.isDirectory()) yield this.#odd(folder, "a file where a folder belongs", true);
        else yield* this.#contentsIn(folder, algorithm.name, start.name);
      }
    }
  }

  async *#contentsIn(folder: string, algorithm: string, start: string): Found {
    for (const entry of await this.#entries(folder)) {
      const path = `${folder}/${entry.name}`;
      if (!entry.name.startsWith(start) || !isDigest(`${algorithm}:${entry.name}`))
        yield this.#odd(path, "not named as a content is");
      else if (!entry.isFile()) yield this.#odd(path, "not a file, where a content belongs", true);
    }
  }

  async *#robot(entry: Dirent): Found {
    const path = `${this.layout.robotsRoot}/${entry.name}`;
    const name = robotOf(entry.name);
    if (name === undefined) yield this.#odd(path, "not named as a robot account is");
    else if (!entry.isFile()) yield this.#odd(path, "not a file, where a robot account belongs", true);
    else {
      const bytes = await readFile(path).catch(passOverFailure);
      if (bytes !== undefined && parseRobot(name, bytes) === undefined)
        yield this.#odd(path, "not a robot account", true);
    }
  }

  /** A folder that cannot be read hides no other, and is told of in the end. */
  async #entries(folder: string): Promise<Dirent[]> {
    try {
      return await readdir(folder, { withFileTypes: true });
    } catch (error) {
      passOverFailure(error);
      const code = errorCode(error);
      if (code !== "ENOENT" && code !== "ENOTDIR")
        this.#unread.push({ ...this.#odd(folder, `cannot be read: ${code}`), unread: true });
      return [];
    }
  }

  #odd(path: string, why: string, inTheWay = false): StrayFile {
    return { path: relative(this.layout.root, path), why, inTheWay };
  }
}

/** What cannot be read has nothing to tell; a fault of our own has. */
function passOverFailure(error: unknown): undefined {
  if (errorCode(error) === undefined) throw error;
}

async function* one(odd: StrayFile): Found {
  yield odd;
}
