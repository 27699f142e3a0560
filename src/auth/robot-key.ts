/**
 * The keys of robots: 32 random bytes behind a prefix that secret scanners know them by
 * (`gantry_[A-Za-z0-9_-]{43}`). Kept as SHA-256 rather than bcrypt: nobody guesses 256 random bits, however fast the
 * hash is, so a slow one would protect nothing and cost each login 60 ms.
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

/** In the same time, whatever the key. */
export function isKeyOf(key: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashOfKey(key)), Buffer.from(hash));
}
