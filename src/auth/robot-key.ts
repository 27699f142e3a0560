/**
 * Robot keys: 32 random bytes with a prefix that secret scanners recognize (`gantry_[A-Za-z0-9_-]{43}`). Stored as SHA-256
 * rather than bcrypt: 256 random bits cannot be guessed, so a slow hash would protect nothing and cost each login 60 ms.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

const prefix = "gantry_";
const randomByteCount = 32;

export function newRobotKey(): string {
  return `${prefix}${randomBytes(randomByteCount).toString("base64url")}`;
}

export function hashOfKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

/** Compares in constant time. */
export function isKeyOf(key: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashOfKey(key)), Buffer.from(hash));
}
