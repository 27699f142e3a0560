/** Names objects of a store for a storage in the same one, which may be in another bucket. */
import type { OutsideObject } from "../outside.js";
import type { S3Place } from "./requests.js";

/** `key` is without the prefix of the place. */
export function outsideObject(place: S3Place, key: string, size: number): OutsideObject {
  return { store: storeOf(place), bucket: place.bucket, key: `${place.prefix}${key}`, size };
}

/** Amazon copies between regions and by any of its addresses; others know only what is theirs. */
export function storeOf({ endpoint }: S3Place): string {
  const { host } = new URL(endpoint);
  const amazon = /(?:^|\.)(amazonaws\.com(?:\.cn)?)$/.exec(host);
  return amazon?.[1] ?? host;
}
