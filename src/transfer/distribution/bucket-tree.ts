/** The directory in a bucket that CNCF distribution calls its root directory, as a tree. */
import type { OutsideBucket } from "../../storage/outside-bucket.js";
import { withErrors } from "../../storage/with-errors.js";
import { Pieces } from "../pieces.js";
import { SourceError } from "../source.js";
import { sourceFailure } from "../source-failure.js";
import type { SourceTree } from "../tree.js";

/** `bucket` has the prefix of that directory. */
export function bucketTree(bucket: OutsideBucket, place: string): SourceTree {
  const pieces = new Pieces();
  const reading = withErrors(bucket, sourceFailure);
  return {
    base: "",
    place,
    async entries(folder) {
      const entries: { name: string; isFolder: true }[] = [];
      for await (const name of reading.folders(`${folder}/`)) entries.push({ name, isFolder: true });
      return entries;
    },
    isFolder: (path) => reading.has(`${path}/`),
    fileSize: (path) => reading.size(path),
    async readSmall(path, bytesMax) {
      const bytes = await reading.read(path, bytesMax);
      if (bytes === "too large") throw new SourceError(`${path} has more than ${bytesMax} bytes`);
      return bytes;
    },
    read: (path, size, signal) => pieces.read(async () => bucket.reader(path, size), size, signal),
    outside: (path, size) => bucket.outside(path, size),
    close: () => bucket.close(),
  };
}
