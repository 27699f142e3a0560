/**
 * Reads where another server stores its data from that server's settings file, which is one of this program or of CNCF
 * distribution. Its other settings do not matter. Variables of the environment are this server's, and are not applied.
 */
import { isAbsolute } from "node:path";
import { type Config, readSettings, readText } from "./config.js";
import { ConfigError } from "./errors.js";
import { isNames, type SettingsTree } from "./tree.js";

type S3Settings = NonNullable<Config["storage"]["s3"]>;

export type StoredElsewhere = { readonly folder: string } | { readonly s3: S3Settings };

/** Rejects with `ConfigError`. */
export async function storedElsewhere(file: string): Promise<StoredElsewhere> {
  const text = await readText(file);
  const named = { folder: false };
  const prune = (settings: SettingsTree): void => {
    onlyStorage(settings);
    named.folder = settings.get(["storage", "filesystem", "rootdirectory"]) !== undefined;
  };
  const source = { name: file, text };
  const { storage } = readSettings({ variables: {}, file: source, ignoreUnsupported: true, prune }).config;
  if (storage.s3 !== undefined) return { s3: storage.s3 };
  const folder = storage.filesystem.rootdirectory;
  if (named.folder && isAbsolute(folder)) return { folder };
  throw ConfigError.of([
    {
      key: "storage",
      origin: { from: "file", file, line: undefined },
      message: named.folder
        ? "storage.filesystem.rootdirectory must be an absolute path here; or give the folder itself instead of this file"
        : "expected storage.s3, or storage.filesystem with its rootdirectory",
    },
  ]);
}

/** Removes all groups but the drivers that can be read. CNCF distribution has two names for one of them. */
function onlyStorage(settings: SettingsTree): void {
  const storage = settings.get(["storage"]);
  const drivers = isNames(storage) ? storage : {};
  const { filesystem, s3 = drivers.s3aws } = drivers;
  settings.root = {
    storage: { ...(s3 !== undefined && { s3 }), ...(filesystem !== undefined && { filesystem }) },
  };
}
