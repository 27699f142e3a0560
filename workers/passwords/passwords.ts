/** Compares passwords with bcrypt hashes. Each takes about 60 ms of CPU, which would block any other thread. */
import { compareSync } from "bcryptjs";
import type { BcryptTask } from "../../src/auth/bcrypt-protocol.js";

export function check({ password, hash }: BcryptTask): boolean {
  return compareSync(password, hash);
}
