/** The repositories of a store, in the catalog's order. */
import type { RepositoryName } from "../../domain/repository-name.js";
import type { RepositoryStore } from "../storage.js";
import type { Surveyor } from "./surveyor.js";

/** For whoever wants them all. */
const manyAtOnce = 1_000;

export class FileRepositories implements RepositoryStore {
  constructor(readonly surveyor: Surveyor) {}

  list(after = "", atOnce = manyAtOnce): AsyncIterable<RepositoryName> {
    return this.surveyor.repositories("manifests", after, atOnce);
  }

  async *all(): AsyncIterable<RepositoryName> {
    yield* this.list();
    yield* this.surveyor.repositories("blobs", "", manyAtOnce);
  }
}
