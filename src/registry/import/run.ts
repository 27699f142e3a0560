/** What all parts of an import work with. */
import { LRUCache } from "lru-cache";
import { Gate, type PushPermit } from "../../auth/gate.js";
import { anonymous } from "../../auth/identity.js";
import { openPolicy } from "../../auth/policy.js";
import type { Digest } from "../../domain/digest.js";
import { RegistryError, RegistryErrors } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { KeyedLock } from "../../lib/keyed-lock.js";
import { SourceError } from "../../transfer/source.js";
import type { Services } from "../services.js";
import type { Tally } from "./report.js";

export interface ImportOptions {
  /** Tell what would come, and import nothing. */
  readonly dryRun: boolean;
  /** Hash every blob, also where its bytes need not be read otherwise. */
  readonly rehash: boolean;
  /** Leave a tag that points to something else where it points. */
  readonly keepTags: boolean;
  /** Take tags of the referrers tag schema too whose content the referrers API lists. */
  readonly referrersTags: boolean;
  /** Ends the import behind what is at work; another goes on where it ended. */
  readonly signal: AbortSignal;
}

/** Contents known to be whole; 100,000 digests of 71 characters are some 10 MB. */
const hashedMax = 100_000;

const operators = new Gate(openPolicy);

export class ImportRun {
  /** Contents that this import has hashed. */
  readonly hashed = new LRUCache<Digest, true>({ max: hashedMax });
  /** One transfer of a content at a time: repositories that want it meanwhile find it here. */
  readonly transfers = new KeyedLock<Digest>();

  constructor(
    readonly services: Services,
    readonly options: ImportOptions,
    readonly tally: Tally,
  ) {}

  /** Whoever may open the store's folder may do everything in it. */
  permit(name: RepositoryName): PushPermit {
    return operators.push(anonymous, name);
  }
}

const ofStorage = /^storage-/;

/** Whether an error is about one thing in the source, and the import goes on with the others. */
export function isOfOne(error: unknown): error is Error {
  if (error instanceof SourceError || error instanceof RegistryErrors) return true;
  return error instanceof RegistryError && !ofStorage.test(error.kind);
}
