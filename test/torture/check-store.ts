/**
 * Accounts for every file in the store of an idle restarted server: exactly the files that src/storage/filesystem/layout.ts
 * describes, complete, with the link counts that their names explain.
 */
import { type Dirent, readdirSync, readFileSync, statSync } from "node:fs";
import { isDigest } from "../../src/domain/digest.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { isSessionId } from "../../src/domain/session-id.js";
import { entriesAmong, type NamedEntry } from "../../src/storage/entry-name.js";
import {
  historyFolder,
  Layout,
  namespaceOf,
  pointerFile,
  recordSuffix,
  tagManifestFile,
} from "../../src/storage/filesystem/layout.js";
import { sessionOf } from "../../src/storage/filesystem/uploads.js";
import { digestOf } from "../support/content.js";
import type { Universe } from "./universe.js";
import type { Violations } from "./violations.js";

/** A session in the store, and the repository in its record. */
export interface StoredSession {
  readonly id: string;
  readonly name: string;
}

/** `indexed` is not set if content may lose its own name in a crash (docs/decisions/0002). */
export function checkStore(
  root: string,
  universe: Universe,
  violations: Violations,
  indexed: boolean,
): StoredSession[] {
  const walk = new StoreWalk(new Layout(root), universe, violations);
  walk.roots();
  walk.contents();
  for (const name of universe.names) walk.repository(name, indexed);
  walk.unvisited();
  return walk.sessions();
}

class StoreWalk {
  /** Names found for each inode, and its link count. */
  readonly #links = new Map<number, { found: number; links: number; path: string }>();
  readonly #visited = new Set<string>();
  readonly #contents = new Map<string, number>();

  constructor(
    readonly layout: Layout,
    readonly universe: Universe,
    readonly violations: Violations,
  ) {}

  #entries(folder: string): Dirent[] {
    try {
      return readdirSync(folder, { withFileTypes: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }

  /** Marks a file as known, and returns its inode. */
  #account(path: string): number {
    this.#visited.add(path);
    const { ino, nlink } = statSync(path);
    const seen = this.#links.get(ino) ?? { found: 0, links: nlink, path };
    seen.found++;
    this.#links.set(ino, seen);
    return ino;
  }

  /** Marks a file with this digest as known, and returns its inode. */
  #accountFor(path: string, digest: string): number {
    const algorithm = digest.startsWith("sha512") ? "sha512" : "sha256";
    const actual = digestOf(readFileSync(path), algorithm);
    if (actual !== digest) this.violations.add(`${path} has the bytes of ${actual}`);
    return this.#account(path);
  }

  roots(): void {
    const known = [
      ...["blobs", "manifests", "content", "uploads", "records", "notes", "secrets"],
      ...["journal", "lock", "control.sock"],
    ];
    for (const { name } of this.#entries(this.layout.root))
      if (!known.includes(name)) this.violations.add(`${name} in the store's root`);
    this.#visited.add(`${this.layout.root}/lock`);
  }

  contents(): void {
    const root = this.layout.contentRoot;
    for (const { name: algorithm } of this.#entries(root)) {
      for (const { name: folder } of this.#entries(`${root}/${algorithm}`)) {
        for (const { name: hex } of this.#entries(`${root}/${algorithm}/${folder}`)) {
          const [path, digest] = [`${root}/${algorithm}/${folder}/${hex}`, `${algorithm}:${hex}`];
          if (!isDigest(digest) || !hex.startsWith(folder)) this.violations.add(`${path} is not a content`);
          else this.#contents.set(digest, this.#accountFor(path, digest));
        }
      }
    }
  }

  repository(text: string, indexed: boolean): void {
    const name = parseRepositoryName(text);
    for (const entry of this.#entries(this.layout.blobs(name))) {
      if (!isDigest(entry.name)) continue;
      const path = this.layout.blob(name, entry.name);
      const inode = statSync(path).ino;
      if (this.#contents.get(entry.name) === inode) this.#account(path);
      else if (indexed) this.violations.add(`${path} is not linked to its content`);
      else this.#accountFor(path, entry.name);
    }
    const manifests = this.#entries(this.layout.manifests(name)).map((entry) => entry.name);
    for (const digest of manifests.filter(isDigest))
      this.#accountFor(this.layout.manifest(name, digest), digest);
    this.#tags(this.layout.tags(name), this.layout.manifests(name));
    this.#referrers(this.layout.referrersRoot(name));
  }

  #tags(folder: string, manifests: string): void {
    for (const { name: tag } of this.#entries(folder)) {
      if (tag === historyFolder) {
        for (const { name: removed } of this.#entries(`${folder}/${tag}`))
          this.#history(`${folder}/${tag}/${removed}`);
        continue;
      }
      const history = this.#history(`${folder}/${tag}`);
      const files = this.#entries(`${folder}/${tag}`)
        .map((entry) => entry.name)
        .filter((file) => !history.some(({ name }) => name === file));
      if (files.sort().join() !== [tagManifestFile, pointerFile].sort().join()) {
        this.violations.add(`${folder}/${tag} holds [${files.join()}]`);
        continue;
      }
      const pointer = `${folder}/${tag}/${pointerFile}`;
      const digest = readFileSync(pointer, "latin1").trim();
      this.#account(pointer);
      if (!isDigest(digest)) this.violations.add(`${pointer} contains "${digest}"`);
      else if (history.every((entry) => entry.digest !== digest))
        this.violations.add(`${pointer} contains ${digest}, which has no entry in the tag's history`);
      else if (
        this.#account(`${folder}/${tag}/${tagManifestFile}`) !== statSync(`${manifests}/${digest}`).ino
      )
        this.violations.add(`${folder}/${tag} has another manifest than ${digest}`);
    }
  }

  /** Returns the entries in a folder, which are all empty files. */
  #history(folder: string): NamedEntry[] {
    const history = entriesAmong(this.#entries(folder).map((entry) => entry.name));
    for (const { name } of history) {
      this.#account(`${folder}/${name}`);
      if (statSync(`${folder}/${name}`).size > 0) this.violations.add(`${folder}/${name} has bytes`);
    }
    return history;
  }

  #referrers(folder: string): void {
    for (const { name: subject } of this.#entries(folder)) {
      for (const { name: digest } of this.#entries(`${folder}/${subject}`)) {
        const path = `${folder}/${subject}/${digest}`;
        const entry = JSON.parse(readFileSync(path, "utf8")) as { digest: unknown };
        this.#account(path);
        if (entry.digest !== digest) this.violations.add(`${path} describes ${String(entry.digest)}`);
      }
    }
  }

  /** Checks that everything has been visited, and every link was found. */
  unvisited(): void {
    const folders = new Set(this.universe.names.map((name) => namespaceOf(parseRepositoryName(name))));
    const look = (folder: string): void => {
      for (const entry of this.#entries(folder)) {
        const path = `${folder}/${entry.name}`;
        if (entry.isDirectory()) look(path);
        // Several processes share it, so it stays when the server is killed.
        else if (path === `${this.layout.notesRoot}/activity-of-nodes`) continue;
        else if (!this.#visited.has(path)) this.violations.add(`${path} is unaccounted for`);
      }
    };
    for (const root of [this.layout.blobsRoot, this.layout.manifestsRoot, this.layout.notesRoot]) look(root);
    for (const { found, links, path } of this.#links.values())
      if (found !== links)
        this.violations.add(
          `${path} has ${links} links; ${found} were found of ${folders.size} repositories`,
        );
  }

  /** The files left in uploads must be resumable sessions. */
  sessions(): StoredSession[] {
    const names = this.#entries(this.layout.uploadsRoot).map(({ name }) => name);
    return names.flatMap((name) => {
      const path = `${this.layout.uploadsRoot}/${name}`;
      const id = sessionOf(name);
      if (id !== undefined) {
        const record = JSON.parse(readFileSync(path, "utf8")) as { name: string };
        return [{ id, name: record.name }];
      }
      if (!isSessionId(name) || !names.includes(`${name}${recordSuffix}`))
        this.violations.add(`${path} belongs to no session`);
      return [];
    });
  }
}
