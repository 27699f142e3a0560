/** Sorted repository names: a level of their tree is found by binary search. */
import { placeOf } from "../domain/page.js";
import type { RepositoryName } from "../domain/repository-name.js";

/** Memory of a name in addition to its characters: a place in the list, and the head of the text. */
const nameBytes = 32;

export class NameList {
  readonly #names: RepositoryName[] = [];
  #bytes = 0;

  /** In ASCII order. Changes with the list. */
  get names(): readonly RepositoryName[] {
    return this.#names;
  }

  get length(): number {
    return this.#names.length;
  }

  /** Memory, if no other list has the same texts. */
  get bytes(): number {
    return this.#bytes;
  }

  has(name: RepositoryName): boolean {
    return this.#names[placeOf(this.#names, name)] === name;
  }

  /** Takes 0.2 ms in a list of 100,000, and less at its end. */
  add(name: RepositoryName): void {
    const last = this.#names.at(-1);
    if (last === undefined || last < name) this.#names.push(name);
    else {
      const place = placeOf(this.#names, name);
      if (this.#names[place] === name) return;
      this.#names.splice(place, 0, name);
    }
    this.#bytes += name.length + nameBytes;
  }

  removeLast(): RepositoryName | undefined {
    const last = this.#names.pop();
    if (last !== undefined) this.#bytes -= last.length + nameBytes;
    return last;
  }

  remove(name: RepositoryName): void {
    const place = placeOf(this.#names, name);
    if (this.#names[place] !== name) return;
    this.#names.splice(place, 1);
    this.#bytes -= name.length + nameBytes;
  }
}
