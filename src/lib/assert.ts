/** States an invariant of the program. Throws if it is broken: that is a bug, never the fault of a client. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
