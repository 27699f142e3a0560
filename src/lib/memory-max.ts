import { totalmem } from "node:os";

/** Returns the bytes of memory of the machine, or of the control group if that has less. */
export function memoryMax(): number {
  // 0, or more than any machine has, if there is no limit.
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
