/** Compares passwords with bcrypt hashes: some 60 ms of computing each, which no other thread may lose. */
import { compareSync } from "bcryptjs";
import type { BcryptTask } from "../../src/auth/bcrypt-protocol.js";

export function check({ password, hash }: BcryptTask): boolean {
  return compareSync(password, hash);
}
