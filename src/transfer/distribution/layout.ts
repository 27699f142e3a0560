/**
 * The layout of CNCF distribution's storage folder (`docker/registry/v2`), as its drivers write it to a disk or a bucket:
 *
 *   blobs/<algorithm>/<first two>/<hex>/data                              the bytes
 *   repositories/<name>/_layers/<algorithm>/<hex>/link                    the repository has this blob
 *   repositories/<name>/_manifests/revisions/<algorithm>/<hex>/link       and this manifest
 *   repositories/<name>/_manifests/tags/<tag>/current/link                what the tag points to
 *
 * A link is a file that holds a digest.
 */
import { algorithmOf, algorithms, type Digest, encodedOf, isDigest } from "../../domain/digest.js";
import type { OnStray } from "../source.js";
import type { SourceTree } from "../tree.js";

/** Returns the path of a content's bytes. `<digest>` is the digest that distribution stores it under. */
export function dataPath(root: string, digest: Digest): string {
  const hex = encodedOf(digest);
  return within(root, `blobs/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}/data`);
}

/** Returns a path below a directory, which may be the empty one. */
export function within(folder: string, path: string): string {
  return folder === "" ? path : `${folder}/${path}`;
}

/** Returns the digests of the directory's entries `<algorithm>/<hex>/…`. */
export async function* digestsIn(tree: SourceTree, folder: string, onStray: OnStray): AsyncIterable<Digest> {
  for (const { name: algorithm } of await tree.entries(folder)) {
    for (const { name: hex } of await tree.entries(`${folder}/${algorithm}`)) {
      const digest = `${algorithm}:${hex}`;
      if (isDigest(digest)) yield digest;
      else onStray(`${folder}/${algorithm}/${hex}`, `not a digest in ${algorithms.join(", ")}`);
    }
  }
}
