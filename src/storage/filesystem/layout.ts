/**
 * The layout below the root directory:
 *
 *   blobs/<namespace>/<digest>                        a hard link to the content
 *   manifests/<namespace>/<digest>                    the manifest's bytes
 *   manifests/<namespace>/tags/<tag>/manifest.sha256  the digest that the tag points to; this file decides
 *   manifests/<namespace>/tags/<tag>/manifest         the manifest's bytes, for people and scripts
 *   manifests/<namespace>/tags/<tag>/pulled           empty; its time is that of the last pull
 *   manifests/<namespace>/tags/<tag>/<entry>          empty; its name is an entry of the tag's history
 *   manifests/<namespace>/tags/.history/<tag>/<entry>     the same, of a tag that was removed
 *   manifests/<namespace>/_referrers/<subject>/<digest>   the referrer's descriptor, as JSON
 *   content/<algorithm>/<first two>/<hex>             one inode for each distinct content
 *   uploads/<session_id>                              the bytes of a running upload
 *   uploads/<session_id>.json                         its session, which survives a crash; bytes without
 *                                                     one came in one request, and are dropped at start
 *   records/<number>                                  the file to which such a session is a link; dropped at start
 *   quarantine/<path>                                 a file that `gantry verify` has moved from that path
 *   journal/<worker>-<a|b>                            what pushes have changed and is not on stable storage otherwise
 *   journal/mark                                      where it begins
 *   control.sock, lock                                of the server that holds the store
 *   notes/<name>                                      the registry's own notes across a restart
 *   secrets/<name>                                    the registry's own secrets, such as its signing key;
 *                                                     only the server's user may read them
 *   robots/<name>.json                                a robot account, with the hash of its key
 *   uploads/<uuid>.tmp                                a small file or folder on its way; dropped at start
 *   uploads/<uuid>.<position>.tmp                     bytes of a blob that another process fetches; dropped at start
 *
 * No two objects share a path: a name's component never begins with `_`, so `_referrers` cannot be one,
 * a component `tags` is written `_tags`, no tag begins with a period, and of a repository's names only digests hold a colon.
 */

import { join } from "node:path";
import { algorithmOf, type Digest, encodedOf } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { RobotName } from "../../domain/robot.js";
import { newSessionId, type SessionId } from "../../domain/session-id.js";
import { temporarySuffix } from "../scratch-file.js";

const reserved = "tags";
const escaped = "_tags";

/** Returns a name as a path: its components, escaped if a repository's directory uses the name itself. */
export function namespaceOf(name: RepositoryName): string {
  return name.includes(reserved) ? name.split("/").map(folderOf).join("/") : name;
}

/** Returns the directory of a name's component. */
export function folderOf(component: string): string {
  return component === reserved ? escaped : component;
}

/** Returns the name's component for a directory, or `undefined` if it is not one. */
export function componentOf(folder: string): string | undefined {
  if (folder === escaped) return reserved;
  return folder === reserved || folder.startsWith("_") ? undefined : folder;
}

export class Layout {
  readonly blobsRoot: string;
  readonly manifestsRoot: string;
  readonly contentRoot: string;
  readonly uploadsRoot: string;
  readonly recordsRoot: string;
  readonly notesRoot: string;
  readonly secretsRoot: string;
  readonly robotsRoot: string;
  readonly quarantineRoot: string;
  readonly journalRoot: string;
  readonly controlSocket: string;
  readonly lock: string;

  /** `node` is 12 hexadecimal digits, with which the names of this process's temporary files end. */
  constructor(
    readonly root: string,
    readonly node?: string,
  ) {
    this.blobsRoot = join(root, "blobs");
    this.manifestsRoot = join(root, "manifests");
    this.contentRoot = join(root, "content");
    this.uploadsRoot = join(root, "uploads");
    this.recordsRoot = join(root, "records");
    this.notesRoot = join(root, "notes");
    this.secretsRoot = join(root, "secrets");
    this.robotsRoot = join(root, "robots");
    this.quarantineRoot = join(root, "quarantine");
    this.journalRoot = join(root, "journal");
    this.controlSocket = join(root, "control.sock");
    this.lock = join(root, "lock");
  }

  /** Returns a path below the root, relative to it. */
  relative(path: string): string {
    return path.slice(this.root.length + 1);
  }

  blobs(name: RepositoryName): string {
    return `${this.blobsRoot}/${namespaceOf(name)}`;
  }

  blob(name: RepositoryName, digest: Digest): string {
    return `${this.blobs(name)}/${digest}`;
  }

  contentFolder(digest: Digest): string {
    return `${this.contentRoot}/${algorithmOf(digest)}/${encodedOf(digest).slice(0, 2)}`;
  }

  content(digest: Digest): string {
    return `${this.contentFolder(digest)}/${encodedOf(digest)}`;
  }

  manifests(name: RepositoryName): string {
    return `${this.manifestsRoot}/${namespaceOf(name)}`;
  }

  manifest(name: RepositoryName, digest: Digest): string {
    return `${this.manifests(name)}/${digest}`;
  }

  tags(name: RepositoryName): string {
    return `${this.manifests(name)}/tags`;
  }

  tag(name: RepositoryName, tag: Tag): string {
    return `${this.tags(name)}/${tag}`;
  }

  /** The histories of removed tags. It is below the tags' directory, so that it is no further link of the repository's. */
  removedTags(name: RepositoryName): string {
    return `${this.tags(name)}/${historyFolder}`;
  }

  removedTag(name: RepositoryName, tag: Tag): string {
    return `${this.removedTags(name)}/${tag}`;
  }

  referrersRoot(name: RepositoryName): string {
    return `${this.manifests(name)}/_referrers`;
  }

  referrers(name: RepositoryName, subject: Digest): string {
    return `${this.referrersRoot(name)}/${subject}`;
  }

  upload(id: SessionId): string {
    return `${this.uploadsRoot}/${id}`;
  }

  uploadRecord(id: SessionId): string {
    return `${this.upload(id)}${recordSuffix}`;
  }

  robot(name: RobotName): string {
    return `${this.robotsRoot}/${name}${recordSuffix}`;
  }

  slice(fetch: string, position: number): string {
    return `${this.uploadsRoot}/${fetch}.${position}${temporarySuffix}`;
  }

  /** Returns an unused path on the same file system as everything else. */
  temporary(): string {
    return `${this.uploadsRoot}/${newSessionId(this.node)}${temporarySuffix}`;
  }
}

/** No tag begins with a period. */
export const historyFolder = ".history";
export const recordSuffix = ".json";
export const pointerFile = "manifest.sha256";
export const tagManifestFile = "manifest";
export const pulledFile = "pulled";
