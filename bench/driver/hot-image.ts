/** The single image that all clients request: its manifest has about 1.7 KB. */
import { type Image, makeImage } from "./image.js";
import { Payload } from "./payload.js";

const config = new Payload(2_000);
const layers = Array.from({ length: 8 }, () => new Payload(20_000));

/** The same for every contender. */
export function hotImage(repository: string): Image {
  return makeImage(repository, "latest", config, layers);
}
