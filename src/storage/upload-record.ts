/** Records of upload sessions as text, and the one place where stored ones are parsed. */
import { isObject } from "../domain/descriptor.js";
import { parseAlgorithm } from "../domain/digest.js";
import { RegistryError } from "../domain/errors.js";
import { parseRepositoryName } from "../domain/repository-name.js";
import type { UploadRecord } from "./storage.js";

export function serializeRecord({
  name,
  opener,
  client,
  algorithm,
  announced,
  createdAt,
}: UploadRecord): string {
  return JSON.stringify({ name, opener, client, algorithm, announced, createdAt });
}

/** `undefined` for text that a crash has cut short: nobody can go on with that session. */
export function parseRecord(text: string): UploadRecord | undefined {
  try {
    const json: unknown = JSON.parse(text);
    if (!isObject(json)) return undefined;
    const { name, opener, client, algorithm, announced, createdAt } = json;
    if (
      typeof name !== "string" ||
      typeof opener !== "string" ||
      typeof algorithm !== "string" ||
      typeof createdAt !== "number"
    )
      return undefined;
    return {
      name: parseRepositoryName(name),
      opener,
      // Earlier versions did not write it down.
      client: typeof client === "string" ? client : opener,
      algorithm: parseAlgorithm(algorithm),
      announced: announced === true,
      createdAt,
    };
  } catch (error) {
    if (error instanceof RegistryError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
