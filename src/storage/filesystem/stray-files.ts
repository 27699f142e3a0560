/**
 * Finds files in the store that the registry did not create. It ignores damaged blobs, manifests and tags, which other
 * checks find by their names.
 */

import type { Dirent } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { relative } from "node:path";
import { algorithms, isDigest } from "../../domain/digest.js";
import { isTag } from "../../domain/reference.js";
import { isRepositoryName } from "../../domain/repository-name.js";
import { isSessionId } from "../../domain/session-id.js";
import type { StrayFile } from "../disk-operations.js";
import { parseEntryName } from "../entry-name.js";
import { parseRobot } from "../robot-record.js";
import { temporarySuffix } from "../scratch-file.js";
import { errorCode } from "./files.js";
import {
  componentOf,
  historyFolder,
  type Layout,
  pointerFile,
  pulledFile,
  tagManifestFile,
} from "./layout.js";
import type { Quarantine } from "./quarantine.js";
import { robotOf } from "./robots.js";
import { sessionOf } from "./uploads.js";

type Found = AsyncIterable<StrayFile>;

const ofTags = new Set([pointerFile, tagManifestFile, pulledFile]);

/** Entries that a file system creates in its own root. */
export const tolerated = new Set(["lost+found"]);

/** The paths of a store directly below its root. */
export function ownPaths(layout: Layout): ReadonlySet<string> {
  return new Set([
    ...[layout.blobsRoot, layout.manifestsRoot, layout.contentRoot, layout.uploadsRoot],
    ...[layout.recordsRoot, layout.notesRoot, layout.secretsRoot, layout.robotsRoot, layout.quarantineRoot],
    ...[layout.journalRoot, layout.controlSocket, layout.lock],
  ]);
}

export class StrayFiles {
  /** Unreadable directories of the current walk. */
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
        yield this.#stray(`${uploadsRoot}/${name}`, "not an upload");
    }
    for (const entry of await this.#entries(robotsRoot)) yield* this.#robot(entry);
    for (const folder of [this.layout.notesRoot, this.layout.secretsRoot])
      for (const entry of await this.#entries(folder))
        if (!entry.isFile()) yield this.#stray(`${folder}/${entry.name}`, "not a file");
    yield* this.#unread;
  }

  /** Yields entries beside the store's own directories. */
  async *foreign(): Found {
    const { layout } = this;
    const own = ownPaths(layout);
    for (const { name } of await this.#entries(layout.root)) {
      const path = `${layout.root}/${name}`;
      if (own.has(path) || tolerated.has(name)) continue;
      const another = name === "docker" && (await this.#entries(`${path}/registry`)).length > 0;
      yield this.#stray(
        path,
        another
          ? "a store of CNCF distribution, whose content is not served: import it with gantry import --from-distribution"
          : "not part of the store",
      );
    }
  }

  quarantine(stray: StrayFile): Promise<boolean> {
    return this.quarantined.take(`${this.layout.root}/${stray.path}`);
  }

  /** Walks directories of repositories. `special` handles entries that are not components of a name. */
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
      else if (!isRepositoryName(name)) yield this.#stray(path, "not a valid repository name");
      else if (entry.isDirectory()) yield* this.#namespace(path, `${name}/`, special);
      else yield this.#stray(path, "a file instead of a repository's folder", true);
    }
  }

  #ofManifests(entry: Dirent, path: string): Found | undefined {
    if (entry.name !== "tags" && entry.name !== "_referrers") return undefined;
    if (!entry.isDirectory()) return one(this.#stray(path, "a file instead of a folder", true));
    return entry.name === "tags" ? this.#tags(path) : this.#referrers(path);
  }

  async *#tags(folder: string): Found {
    for (const entry of await this.#entries(folder)) {
      const path = `${folder}/${entry.name}`;
      if (entry.name === historyFolder) {
        if (entry.isDirectory()) yield* this.#histories(path);
        else yield this.#stray(path, "a file instead of a folder", true);
      } else if (!isTag(entry.name)) yield this.#stray(path, "not a valid tag");
      else if (entry.isDirectory()) {
        for (const { name } of await this.#entries(path)) {
          if (!ofTags.has(name) && parseEntryName(name) === undefined)
            yield this.#stray(`${path}/${name}`, "not part of a tag");
        }
      }
    }
  }

  async *#histories(folder: string): Found {
    for (const entry of await this.#entries(folder)) {
      const path = `${folder}/${entry.name}`;
      if (!isTag(entry.name)) yield this.#stray(path, "not a valid tag");
      else if (!entry.isDirectory()) yield this.#stray(path, "a file instead of a folder", true);
      else {
        for (const { name } of await this.#entries(path))
          if (parseEntryName(name) === undefined)
            yield this.#stray(`${path}/${name}`, "not an entry of a tag's history");
      }
    }
  }

  async *#referrers(folder: string): Found {
    for (const entry of await this.#entries(folder)) {
      const path = `${folder}/${entry.name}`;
      if (!isDigest(entry.name)) yield this.#stray(path, "not a digest");
      else if (!entry.isDirectory()) yield this.#stray(path, "a file instead of a folder", true);
      else {
        for (const inner of await this.#entries(path)) {
          if (!isDigest(inner.name)) yield this.#stray(`${path}/${inner.name}`, "not a digest");
          else if (!inner.isFile()) yield this.#stray(`${path}/${inner.name}`, "not a regular file", true);
        }
      }
    }
  }

  /** `content/<algorithm>/<first two>/<hex>`. */
  async *#contents(algorithm: Dirent): Found {
    const root = `${this.layout.contentRoot}/${algorithm.name}`;
    if (!algorithms.some((known) => known === algorithm.name)) yield this.#stray(root, "not an algorithm");
    else if (!algorithm.isDirectory()) yield this.#stray(root, "a file instead of a folder", true);
    else {
      for (const start of await this.#entries(root)) {
        const folder = `${root}/${start.name}`;
        if (!/^[0-9a-f]{2}$/.test(start.name)) yield this.#stray(folder, "not the start of a digest");
        else if (!start.isDirectory()) yield this.#stray(folder, "a file instead of a folder", true);
        else yield* this.#contentsIn(folder, algorithm.name, start.name);
      }
    }
  }

  async *#contentsIn(folder: string, algorithm: string, start: string): Found {
    for (const entry of await this.#entries(folder)) {
      const path = `${folder}/${entry.name}`;
      if (!entry.name.startsWith(start) || !isDigest(`${algorithm}:${entry.name}`))
        yield this.#stray(path, "not the rest of a digest");
      else if (!entry.isFile()) yield this.#stray(path, "not a regular file", true);
    }
  }

  async *#robot(entry: Dirent): Found {
    const path = `${this.layout.robotsRoot}/${entry.name}`;
    const name = robotOf(entry.name);
    if (name === undefined) yield this.#stray(path, "not a valid robot name");
    else if (!entry.isFile()) yield this.#stray(path, "not a regular file", true);
    else {
      const bytes = await readFile(path).catch(passOverFailure);
      if (bytes !== undefined && parseRobot(name, bytes) === undefined)
        yield this.#stray(path, "not a robot account", true);
    }
  }

  /** Reports an unreadable directory at the end; it does not hide others. */
  async #entries(folder: string): Promise<Dirent[]> {
    try {
      return await readdir(folder, { withFileTypes: true });
    } catch (error) {
      passOverFailure(error);
      const code = errorCode(error);
      if (code !== "ENOENT" && code !== "ENOTDIR")
        this.#unread.push({ ...this.#stray(folder, `cannot be read: ${code}`), unread: true });
      return [];
    }
  }

  #stray(path: string, why: string, inTheWay = false): StrayFile {
    return { path: relative(this.layout.root, path), why, inTheWay };
  }
}

/** Ignores read errors, but not bugs. */
function passOverFailure(error: unknown): undefined {
  if (errorCode(error) === undefined) throw error;
}

async function* one(stray: StrayFile): Found {
  yield stray;
}
