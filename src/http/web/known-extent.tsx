/** Says what is not known of how the manifests of a repository relate, and why. */
import type { Found } from "../../browse/graph/relations.js";
import { count } from "../../lib/format.js";
import { Pending } from "./show.js";

export function KnownExtent({ found }: { readonly found: Found<unknown> }) {
  const { value, tooManyTags, extent, progress } = found;
  if (tooManyTags)
    return <p class="note">Gantry does not show this here: the repository has too many tags.</p>;
  if (value === undefined)
    return (
      <p class="note">
        {progress === undefined
          ? "The manifests of this repository are being read "
          : `${progress.read} of ${progress.total} manifests of this repository are read `}
        <Pending />
      </p>
    );
  if (extent === undefined || extent.omitted === 0) return null;
  return (
    <p class="note">
      Known for {count(extent.known, "manifest")}. The repository has {extent.omitted} more, which is too many
      to read here.
    </p>
  );
}
