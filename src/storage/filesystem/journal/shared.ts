/** The state of the journal in memory that all threads share, and the names of its segments. */
import type { SharedClock } from "../../../lib/shared-clock.js";

/** The journal's part of a worker's start parameters. */
export interface JournalSetup {
  readonly memory: SharedArrayBuffer;
  /** The store's directory, to which paths in records are relative. */
  readonly root: string;
  /** The directory of the segments. */
  readonly folder: string;
}

const places = { sequence: 0, generation: 1, mark: 2, wanted: 3, firstSlot: 4, broken: 5 } as const;
type Place = keyof typeof places;
const secretAt = Object.keys(places).length;
/** Then the thread of each slot, or zero. */
const ownersAt = secretAt + 1;

/** Slots of one process: each of its workers has one, and a worker that has crashed keeps its own until the next checkpoint. */
export const slotsPerProcess = 1024;

export class SharedState {
  readonly #numbers: BigInt64Array;

  constructor(readonly memory: SharedArrayBuffer = new SharedArrayBuffer(8 * (ownersAt + slotsPerProcess))) {
    this.#numbers = new BigInt64Array(memory);
  }

  get(place: Place): number {
    return Number(Atomics.load(this.#numbers, places[place]));
  }

  set(place: Place, value: number): void {
    Atomics.store(this.#numbers, places[place], BigInt(value));
  }

  /** Adds one, and returns the value before. */
  next(place: Place): number {
    return Number(Atomics.add(this.#numbers, places[place], 1n));
  }

  /** See `Mark.secret`. */
  get secret(): bigint {
    return BigInt.asUintN(64, Atomics.load(this.#numbers, secretAt));
  }

  set secret(secret: bigint) {
    Atomics.store(this.#numbers, secretAt, secret);
  }

  /** Makes the number at least `value`. */
  raise(place: Place, value: number): void {
    for (let found = this.get(place); found < value; ) {
      const [old, wanted] = [BigInt(found), BigInt(value)];
      const now = Number(Atomics.compareExchange(this.#numbers, places[place], old, wanted));
      if (now === found) return;
      found = now;
    }
  }

  /** Returns a slot that no other thread of this process has, or had since it was forgotten. */
  claimSlot(threadId: number): number {
    const owner = BigInt(threadId);
    for (let slot = 0; slot < slotsPerProcess; slot++)
      if (Atomics.compareExchange(this.#numbers, ownersAt + slot, 0n, owner) === 0n) return slot;
    throw new Error("too many workers have crashed since the last checkpoint of the journal");
  }

  /** Returns the number of a slot among those of all processes, which follow each other. Call it when the journal is open. */
  numberOf(slot: number): number {
    return this.get("firstSlot") + slot;
  }

  /** Returns the slots of threads that do not run any more. */
  lostSlots(isRunning: (threadId: number) => boolean): number[] {
    return Array.from({ length: slotsPerProcess }, (_, slot) => slot).filter((slot) => {
      const owner = Number(Atomics.load(this.#numbers, ownersAt + slot));
      return owner !== 0 && !isRunning(owner);
    });
  }

  /** Lets another thread claim the slot. Call it when its segments are removed. */
  forgetSlot(slot: number): void {
    Atomics.store(this.#numbers, ownersAt + slot, 0n);
  }
}

/** More records than a process writes between two messages; 2 million crashes fit into the 53 bits of a safe integer. */
const skippedSequences = 2 ** 32;

/** Lets the processes of a server know of each other's generations and records. */
export function clockOf(state: SharedState): SharedClock {
  return {
    read: () => [state.get("generation"), state.get("sequence")],
    raise: ([generation = 0, sequence = 0]) => {
      state.raise("generation", generation);
      state.raise("sequence", sequence);
    },
    skip: () => state.raise("sequence", state.get("sequence") + skippedSequences),
  };
}

/** A worker has two segments, which it writes by turns. */
export const turns = ["a", "b"] as const;

export function segmentName(slot: number, turn: (typeof turns)[number]): string {
  return `${slot}-${turn}`;
}

/** Returns the number of the worker of a segment, or `undefined` for another file. */
export function slotOf(fileName: string): number | undefined {
  const [, slot] = /^(\d{1,9})-[ab]$/.exec(fileName) ?? [];
  return slot === undefined ? undefined : Number(slot);
}

export const markName = "mark";
/** Exists if files must be written again, whatever the cache shows. */
export const brokenName = "broken";
