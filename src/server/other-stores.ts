/** Opens the stores from which this process imports. Part of the composition root. */
import { realpath, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Config } from "../config/config.js";
import { type StoredElsewhere, storedElsewhere } from "../config/stored-elsewhere.js";
import { openReadableFolder } from "../storage/filesystem/read.js";
import type { ReadableStore } from "../storage/readable-store.js";
import type { OtherStores } from "../transfer/other-stores.js";
import { type OnStray, SourceError } from "../transfer/source.js";
import type { Opening } from "./opening.js";
import { s3CredentialsOf, s3LimitsOf, s3PlaceOf } from "./s3.js";

export function otherStores({ config, log }: Pick<Opening, "config" | "log">): OtherStores {
  const onError = (error: unknown) => log.error({ err: error }, "a worker thread crashed and was replaced");
  return {
    store: async (place, onStray) => {
      const there = await storedAt(place);
      await refuseSelf(config, there);
      return openStore(there, onStray, onError);
    },
    distribution: async (place) => {
      const there = await storedAt(place);
      if ("folder" in there)
        return (await import("../transfer/distribution/folder-tree.js")).folderTree(there.folder);
      const [{ openOutsideBucket }, { bucketTree }] = await Promise.all([
        import("../storage/s3/outside-bucket.js"),
        import("../transfer/distribution/bucket-tree.js"),
      ]);
      const { bucket, rootdirectory } = there.s3;
      return bucketTree(openOutsideBucket(s3Of(there.s3)), [bucket, rootdirectory].join("/"));
    },
  };
}

async function openStore(
  there: StoredElsewhere,
  onStray: OnStray,
  onError: (error: unknown) => void,
): Promise<ReadableStore> {
  if ("folder" in there) return openReadableFolder({ rootDirectory: there.folder, onStray, onError });
  const { openReadableBucket } = await import("../storage/s3/read.js");
  return openReadableBucket({ ...s3Of(there.s3), onStray });
}

function s3Of(settings: NonNullable<Config["storage"]["s3"]>) {
  const [place, limits, credentials] = [s3PlaceOf(settings), s3LimitsOf(settings), s3CredentialsOf(settings)];
  return { place, limits, credentials };
}

/** A file has the settings of a server. Whoever opens anything else reports what is wrong with it. */
async function storedAt(place: string): Promise<StoredElsewhere> {
  const isFile = await stat(place).then(
    (found) => found.isFile(),
    () => false,
  );
  return isFile ? storedElsewhere(place) : { folder: place };
}

async function refuseSelf({ storage }: Config, there: StoredElsewhere): Promise<void> {
  const isSelf =
    "folder" in there
      ? storage.s3 === undefined &&
        (await realOf(there.folder)) === (await realOf(storage.filesystem.rootdirectory))
      : storage.s3 !== undefined && placeOf(there.s3) === placeOf(storage.s3);
  if (isSelf) throw new SourceError("the source is the store into which it would be imported");
}

function realOf(folder: string): Promise<string> {
  return realpath(folder).catch(() => resolve(folder));
}

function placeOf(settings: NonNullable<Config["storage"]["s3"]>): string {
  const { endpoint, bucket, prefix } = s3PlaceOf(settings);
  return JSON.stringify([endpoint, bucket, prefix]);
}
