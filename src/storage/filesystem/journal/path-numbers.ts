/**
 * A number for each of many paths. A journal may name millions, so this does not keep the paths: 24 bytes for each, outside of
 * V8's heap, where a map of strings takes 200.
 */
import { hash, randomBytes } from "node:crypto";

/** So that a path is found in two or three steps. */
const placesPerPath = 1.5;

export class PathNumbers {
  /** Nobody can choose paths with the same hash. Otherwise, 5 million have two such with a probability of 1 in a million. */
  readonly #key = randomBytes(16).toString("latin1");
  readonly #places: number;
  readonly #hashes: Uint32Array;
  /** Zero where no path is. */
  readonly #numbers: Float64Array;

  constructor(pathsMax: number) {
    this.#places = Math.ceil(pathsMax * placesPerPath) + 1;
    this.#hashes = new Uint32Array(2 * this.#places);
    this.#numbers = new Float64Array(this.#places);
  }

  /** Makes the path's number at least `number`, which is above zero. */
  raise(path: string, number: number): void {
    const [first, second] = this.#hashOf(path);
    const place = this.#placeOf(first, second);
    this.#hashes[2 * place] = first;
    this.#hashes[2 * place + 1] = second;
    this.#numbers[place] = Math.max(this.#numbers[place] ?? 0, number);
  }

  /** Returns zero if the path has no number. */
  get(path: string): number {
    // Most journals have no voids.
    if (this.#places === 1) return 0;
    return this.#numbers[this.#placeOf(...this.#hashOf(path))] ?? 0;
  }

  #hashOf(path: string): readonly [number, number] {
    const bytes = hash("sha256", this.#key + path, "buffer");
    return [bytes.readUInt32LE(0), bytes.readUInt32LE(4)];
  }

  /** Returns the place of the path with the hash, or the free one that it would have. */
  #placeOf(first: number, second: number): number {
    for (let place = first % this.#places; ; place = (place + 1) % this.#places) {
      if (this.#numbers[place] === 0) return place;
      if (this.#hashes[2 * place] === first && this.#hashes[2 * place + 1] === second) return place;
    }
  }
}
