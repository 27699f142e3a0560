/** The context of all parts of an import. */
import { LRUCache } from "lru-cache";
import type { PushPermit } from "../../auth/gate.js";
import { anonymous } from "../../auth/identity.js";
import { ownGate } from "../../auth/own-gate.js";
import type { Digest } from "../../domain/digest.js";
import { RegistryError, RegistryErrors } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { KeyedLock } from "../../lib/keyed-lock.js";
import { entriesMax } from "../../lib/lru-bound.js";
import { SourceError } from "../../transfer/source.js";
import type { Services } from "../services.js";
import type { Tally } from "./report.js";

export interface ImportOptions {
  /** Report what would be imported, and import nothing. */
  readonly dryRun: boolean;
  /** Hash every blob, even if its bytes need not be read otherwise. */
  readonly rehash: boolean;
  /** Do not move a tag that points to another manifest. */
  readonly keepTags: boolean;
  /** Also import tags of the referrers tag schema whose entries the referrers API lists. */
  readonly referrersTags: boolean;
  /** Also import the source's robot accounts. */
  readonly robots: boolean;
  /** Ends the import after the current objects; another import continues where it ended. */
  readonly signal: AbortSignal;
}

/** Contents known to be intact; 100,000 digests of 71 characters take about 10 MB. */
const hashedMax = 100_000;

export class ImportRun {
  /** Contents hashed by this import. */
  readonly hashed = new LRUCache<Digest, true>(entriesMax(hashedMax));
  /** One transfer of a content at a time: other repositories that need it wait, and then find it here. */
  readonly transfers = new KeyedLock<Digest>();

  constructor(
    readonly services: Services,
    readonly options: ImportOptions,
    readonly tally: Tally,
  ) {}

  /** A caller who can open the store's directory may do everything in it. */
  permit(name: RepositoryName): PushPermit {
    return ownGate.push(anonymous, name);
  }
}

const ofStorage = /^storage-/;

/** Returns whether an error concerns only one object of the source, so that the import continues with the others. */
export function isOfOne(error: unknown): error is Error {
  if (error instanceof SourceError || error instanceof RegistryErrors) return true;
  return error instanceof RegistryError && !ofStorage.test(error.kind);
}
