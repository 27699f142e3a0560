/** The headers of requests for manifests, and of their responses. */
import { type Digest, isDigest } from "../../domain/digest.js";
import { isManifestMediaType, mediaTypes, withoutParameters } from "../../domain/media-type.js";
import type { Answer, Headers } from "./answer.js";

export const manifestHeaders: Headers = {
  Accept: [
    mediaTypes.ociIndex,
    mediaTypes.ociManifest,
    mediaTypes.dockerList,
    mediaTypes.dockerManifest,
  ].join(", "),
};

/** Returns the digest that the response names; some registries name none. */
export function namedDigest({ headers }: Answer): Digest | undefined {
  const digest = String(headers["docker-content-digest"] ?? "");
  return isDigest(digest) ? digest : undefined;
}

/** Returns an empty text for a type of something else: some registries send manifests as plain JSON. */
export function manifestType({ headers }: Answer): string {
  const mediaType = withoutParameters(String(headers["content-type"] ?? ""));
  return isManifestMediaType(mediaType) ? mediaType : "";
}
