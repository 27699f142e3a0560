/** Parts of pages about the history of tags. */
import type { RepositoryName } from "../../domain/repository-name.js";
import { visibleLine } from "../../lib/control-characters.js";
import type { HistoryEntry } from "../../registry/tag-history.js";
import { imageUrl, ShortDigest } from "./show.js";

interface EntryProps {
  readonly name: RepositoryName;
  readonly entry: HistoryEntry;
}

/** What an entry says about the tag. */
export function EntryTarget({ name, entry }: EntryProps) {
  if (entry.kind !== "removed") return <Target name={name} entry={entry} />;
  if (entry.digest === undefined) return <span class="dim">removed</span>;
  return (
    <>
      removed, was <Target name={name} entry={entry} />
    </>
  );
}

/** The image of an entry, with a link if it is still here. */
export function Target({ name, entry: { digest, isAvailable } }: EntryProps) {
  if (digest === undefined) return <span class="dim">unknown</span>;
  if (!isAvailable) return <ShortDigest digest={digest} />;
  return (
    <a href={imageUrl(name, digest)}>
      <ShortDigest digest={digest} />
    </a>
  );
}

/** Who changed the tag. */
export function EntryAuthor({ entry: { by } }: { readonly entry: HistoryEntry }) {
  return by === undefined ? <span class="dim">unknown</span> : visibleLine(by);
}
