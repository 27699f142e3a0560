/** The tags of a repository with their JSON, which is kept: a page of thousands of tags then costs no more than sending it. */
import { placeOf } from "../domain/page.js";
import type { Tag } from "../domain/reference.js";

/** Rendering a chunk takes a fraction of a millisecond. */
const tagsPerChunk = 1000;

/** Memory of a tag in addition to its characters, which are in memory twice: in the tag and in the JSON. */
const tagBytes = 48;

interface Chunk {
  /** The tags in quotes, each followed by a comma. */
  readonly json: Buffer;
  /** Where each tag ends in `json`, before its comma. */
  readonly ends: Uint32Array;
}

export class TagList {
  readonly #chunks: (Chunk | undefined)[] = [];

  private constructor(
    readonly tags: readonly Tag[],
    /** Memory in bytes, including the JSON that is rendered on demand. */
    readonly bytes: number,
  ) {}

  /** `tags` are in ASCII order. */
  static of(tags: readonly Tag[]): TagList {
    return new TagList(
      tags,
      tags.reduce((sum, tag) => sum + memoryOf(tag), tagBytes),
    );
  }

  /** Returns a list that also has `tag`, or this one if it has it. */
  with(tag: Tag): TagList {
    const place = placeOf(this.tags, tag);
    if (this.tags[place] === tag) return this;
    return this.#changed(place, this.tags.toSpliced(place, 0, tag), this.bytes + memoryOf(tag));
  }

  /** Returns a list without `tag`, or this one if it does not have it. */
  without(tag: Tag): TagList {
    const place = placeOf(this.tags, tag);
    if (this.tags[place] !== tag) return this;
    return this.#changed(place, this.tags.toSpliced(place, 1), this.bytes - memoryOf(tag));
  }

  /** Keeps the JSON of the chunks before the one that contains `place`. */
  #changed(place: number, tags: readonly Tag[], bytes: number): TagList {
    const changed = new TagList(tags, bytes);
    changed.#chunks.push(...this.#chunks.slice(0, Math.floor(place / tagsPerChunk)));
    return changed;
  }

  /** Returns the JSON of the tags from `start` to before `end`, separated by commas, in parts. */
  *json(start: number, end: number): Generator<Uint8Array> {
    for (let at = start; at < end; ) {
      const place = Math.floor(at / tagsPerChunk);
      const first = place * tagsPerChunk;
      const last = Math.min(end, first + tagsPerChunk) - 1;
      const { json, ends } = this.#chunk(place);
      const begin = at === first ? 0 : (ends[at - first - 1] ?? 0) + 1;
      // Only the last tag of the range has no comma.
      yield json.subarray(begin, (ends[last - first] ?? 0) + (last + 1 === end ? 0 : 1));
      at = last + 1;
    }
  }

  #chunk(place: number): Chunk {
    const known = this.#chunks[place];
    if (known !== undefined) return known;
    const first = place * tagsPerChunk;
    const tags = this.tags.slice(first, first + tagsPerChunk);
    let end = -1;
    // A tag is ASCII, and has no character that JSON escapes.
    const ends = Uint32Array.from(tags, ({ length }) => {
      end += length + 3;
      return end;
    });
    const chunk = { json: Buffer.from(tags.map((tag) => `"${tag}",`).join("")), ends };
    this.#chunks[place] = chunk;
    return chunk;
  }
}

function memoryOf({ length }: Tag): number {
  return 2 * length + tagBytes;
}
