/** Parts of pages about the history of tags. */
import type { RepositoryName } from "../../domain/repository-name.js";
import type { HistoryEntry } from "../../registry/tag-history.js";
import { imageUrl, ShortDigest, Untrusted } from "./show.js";

/** The image of an entry, with a link if it is still here. */
export function EntryTarget({
  name,
  entry: { kind, digest, isAvailable },
}: {
  readonly name: RepositoryName;
  readonly entry: HistoryEntry;
}) {
  if (digest === undefined) return <span class="dim">{kind === "removed" ? "removed" : "unknown"}</span>;
  return (
    <>
      {kind === "removed" && "removed, was "}
      {isAvailable ? (
        <a href={imageUrl(name, digest)}>
          <ShortDigest digest={digest} />
        </a>
      ) : (
        <ShortDigest digest={digest} />
      )}
    </>
  );
}

/** Who changed the tag. */
export function EntryAuthor({ entry: { by } }: { readonly entry: HistoryEntry }) {
  return by === undefined ? <span class="dim">unknown</span> : <Untrusted text={by} />;
}
