/** Numbers that only grow. Messages between processes carry them, so that a receiver knows the numbers that led to its message. */
export interface SharedClock {
  read(): readonly number[];
  /** Makes the numbers at least these, which another process has had. */
  raise(numbers: readonly number[]): void;
  /** Passes over all numbers that a process that has crashed can have used: its last ones are unknown. */
  skip(): void;
}
