import type { RepositoryName } from "../../domain/repository-name.js";
import type { RepositoryStore } from "../storage.js";
import type { MemoryData } from "./memory-data.js";

export class MemoryRepositories implements RepositoryStore {
  constructor(readonly data: MemoryData) {}

  async *list(after = ""): AsyncIterable<RepositoryName> {
    for (const name of [...this.data.repositories.keys()].sort())
      if (name > after && this.data.repositories.get(name)?.listed) yield name;
  }

  async *all(): AsyncIterable<RepositoryName> {
    for (const [name, { listed, blobs }] of this.data.repositories) if (listed || blobs.size > 0) yield name;
  }

  async *empty(): AsyncIterable<RepositoryName> {
    for (const [name, { isEmpty }] of this.data.repositories) if (isEmpty) yield name;
  }

  async removeEmpty(name: RepositoryName): Promise<boolean> {
    if (this.data.repositories.get(name)?.isEmpty === false) return false;
    this.data.repositories.delete(name);
    return true;
  }
}
