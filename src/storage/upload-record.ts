/** Formats records of upload sessions, and is the only place that parses stored ones. */
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

/** Returns `undefined` for text that a crash has cut short; such a session cannot be resumed. */
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
      // Earlier versions did not store it.
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
