/** What pointing a tag does to its folder: the steps of a worker, and the same as a record of the journal. */
import type { Digest } from "../../domain/digest.js";
import type { Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { TagEntry, TagNote } from "../../domain/tag-history.js";
import { entryName } from "../entry-name.js";
import type { TagPush } from "../storage.js";
import type { FileStep } from "./file-steps.js";
import type { JournalOperation, RecordContent } from "./journal/record.js";
import { type Layout, pointerFile, tagManifestFile } from "./layout.js";

export interface TagChange {
  /** Writes aside what is new. */
  readonly write: readonly FileStep[];
  /** The new pointer, aside; absent if the tag has the right one. */
  readonly pointer?: string;
  /** When the tag counts as pushed, if not now. */
  readonly pushedAt: number | undefined;
  /** Puts it in its place. */
  readonly place: readonly FileStep[];
  /** Removed if a step fails. */
  readonly temporaries: readonly string[];
  /** For the journal. */
  readonly record: RecordContent;
  /** Changed directories, to be synced without a journal. */
  readonly directories: readonly string[];
}

export class TagChanges {
  constructor(
    readonly layout: Layout,
    readonly hardLinks: boolean,
  ) {}

  /** A new tag is a folder, renamed into place. */
  create(name: RepositoryName, tag: Tag, digest: Digest, { pushedAt, note }: TagPush): TagChange {
    const folder = this.layout.tag(name, tag);
    const aside = this.layout.temporary();
    const pointer = `${aside}/${pointerFile}`;
    const entry = note && entryName(pointedNow(digest, note));
    const write: FileStep[] = [
      { do: "make folder", folder: aside },
      { do: "write", file: pointer, bytes: digest },
      this.addManifest(name, digest, `${aside}/${tagManifestFile}`),
    ];
    if (entry !== undefined) write.push({ do: "mark", file: `${aside}/${entry}` });
    return {
      write,
      pointer,
      pushedAt,
      place: [
        { do: "sync folder", folder: aside },
        // Without a pointer it is not a tag but the remains of a crash or a manual edit, and is replaced.
        { do: "rename", from: aside, to: folder, replaces: true },
      ],
      temporaries: [aside],
      record: this.#record(name, folder, digest, pushedAt, entry),
      directories: [this.layout.tags(name)],
    };
  }

  /** A tag that moves has its pointer replaced by rename. `current` is its target, if it has a valid one. */
  move(
    name: RepositoryName,
    tag: Tag,
    current: Digest | undefined,
    digest: Digest,
    { pushedAt, note }: TagPush,
  ): TagChange {
    const folder = this.layout.tag(name, tag);
    const pointer = this.layout.temporary();
    const manifest = this.layout.temporary();
    const move: FileStep =
      note === undefined
        ? { do: "rename", from: pointer, to: `${folder}/${pointerFile}` }
        : {
            do: "move pointer",
            from: pointer,
            folder,
            current,
            entry: pointedNow(digest, note),
            bounds: note.bounds,
          };
    return {
      write: [{ do: "write", file: pointer, bytes: digest }, this.addManifest(name, digest, manifest)],
      pointer,
      pushedAt,
      place: [move, ...putBeside(manifest, folder)],
      temporaries: [pointer, manifest],
      record: this.#record(name, folder, digest, pushedAt, undefined),
      directories: [folder],
    };
  }

  /**
   * The tag points to the manifest already. It counts as pushed now, and its earlier writer may have been killed before the
   * sync.
   */
  touch(name: RepositoryName, tag: Tag, digest: Digest, pushedAt = Date.now()): TagChange {
    const folder = this.layout.tag(name, tag);
    return {
      write: [],
      pushedAt: undefined,
      place: [{ do: "touch", file: `${folder}/${pointerFile}`, at: pushedAt }],
      temporaries: [],
      record: { operations: [this.#pointer(folder, digest, pushedAt)], bytes: [Buffer.from(digest)] },
      directories: [folder, this.layout.tags(name)],
    };
  }

  addManifest(name: RepositoryName, digest: Digest, to: string): FileStep {
    return { do: this.hardLinks ? "link" : "copy", from: this.layout.manifest(name, digest), to };
  }

  #record(
    name: RepositoryName,
    folder: string,
    digest: Digest,
    pushedAt = Date.now(),
    entry: string | undefined,
  ): RecordContent {
    const { layout } = this;
    const operations: JournalOperation[] = [
      this.#pointer(folder, digest, pushedAt),
      {
        do: "link",
        from: layout.relative(layout.manifest(name, digest)),
        path: layout.relative(`${folder}/${tagManifestFile}`),
      },
    ];
    if (entry !== undefined) operations.push({ do: "mark", path: layout.relative(`${folder}/${entry}`) });
    return { operations, bytes: [Buffer.from(digest)] };
  }

  #pointer(folder: string, digest: Digest, at: number): JournalOperation {
    return { do: "file", path: this.layout.relative(`${folder}/${pointerFile}`), bytes: digest.length, at };
  }
}

function pointedNow(digest: Digest, { by }: TagNote): TagEntry {
  return { kind: "pointed", digest, at: Date.now(), by };
}

/** If both are links to the same file, renaming does nothing and leaves both. */
export function putBeside(manifest: string, folder: string): FileStep[] {
  return [
    { do: "rename", from: manifest, to: `${folder}/${tagManifestFile}` },
    { do: "remove", file: manifest },
  ];
}
