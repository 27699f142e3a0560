/** The protocol of the thread that reads large manifests. */
import type { Digest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import type { ManifestFacts } from "../../domain/manifest-facts.js";
import type { ManifestMediaType } from "../../domain/media-type.js";
import type { PushedBytes, PushedManifest } from "../../domain/pushed-manifest.js";
import type { PackedDescriptors, PackedManifest } from "./packed-manifest.js";

export interface StoredBytes {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
}

/** Error objects lose their type between threads, so a refusal is a value. */
export type Answer<T> = { readonly value: T } | { readonly refusal: Refusal };

interface Refusal {
  readonly message: string;
  readonly detail: unknown;
}

/** `bytes` are the task's buffer, transferred to the thread and back. */
interface PackedPush extends Omit<PushedManifest, "manifest" | "mismatches"> {
  readonly manifest: PackedManifest;
  readonly mismatches: PackedDescriptors;
  readonly bytes: Uint8Array;
}

export interface ManifestTasks {
  readonly pushed: { readonly task: PushedBytes; readonly value: PackedPush };
  /** `undefined` if the bytes do not have the digest, or are no manifest. */
  readonly stored: { readonly task: StoredBytes; readonly value: PackedManifest | undefined };
  readonly mediaType: { readonly task: StoredBytes; readonly value: ManifestMediaType | undefined };
  readonly facts: { readonly task: StoredBytes; readonly value: ManifestFacts | undefined };
}

/** Converts a `manifest-invalid` of `read` to an answer. Rejects with any other error. */
export async function answered<T>(read: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await read() };
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return { refusal: { message: error.message, detail: error.detail } };
  }
}

/** Returns the value of an answer. Throws `manifest-invalid` for a refusal. */
export function unwrap<T>(answer: Answer<T>): T {
  if ("value" in answer) return answer.value;
  throw new RegistryError("manifest-invalid", answer.refusal.message, answer.refusal.detail);
}
