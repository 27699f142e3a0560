/** Fills a store with images of tiny blobs, because only their number matters. */
import { digestOf, makeManifest } from "../driver/registry.js";
import type { StoreWriter } from "./writer.js";

export interface StoreShape {
  readonly repositories: number;
  readonly imagesOfRepository: number;
  /** The config is one of them. */
  readonly blobsOfImage: number;
  readonly tagsOfImage: number;
  /** Whether all repositories have the same images, like mirrors of one base; otherwise every blob is distinct. */
  readonly sameImages?: boolean;
}

/** In ASCII order of the index. All under one name: the largest folder for a catalog. */
export function repositoryAt(index: number): string {
  return `laid/app-${String(index).padStart(7, "0")}`;
}

/** In ASCII order of image and tag. */
export function tagAt(image: number, tag: number): string {
  return `v${String(image).padStart(7, "0")}.${String(tag).padStart(7, "0")}`;
}

/** The digest of a blob by its number, in a repository with its own blobs. */
export function blobAt(repository: number, blob: number): string {
  return digestOf(bytesAt(repositoryAt(repository), blob));
}

function bytesAt(of: string, blob: number): Buffer {
  return Buffer.from(`blob ${blob} of ${of}\n`);
}

/** The same store for the same shape. */
export function layStore(store: StoreWriter, shape: StoreShape): void {
  for (let repository = 0; repository < shape.repositories; repository++) {
    for (let image = 0; image < shape.imagesOfRepository; image++) layImage(store, shape, repository, image);
  }
}

function layImage(store: StoreWriter, shape: StoreShape, repository: number, image: number): void {
  const name = repositoryAt(repository);
  const first = image * shape.blobsOfImage;
  const descriptors = Array.from({ length: shape.blobsOfImage }, (_, index) => {
    const bytes = bytesAt(shape.sameImages ? "all" : name, first + index);
    const digest = digestOf(bytes);
    store.blob(name, digest, bytes);
    return { digest, length: bytes.length };
  });
  const [config, ...layers] = descriptors;
  if (config === undefined) throw new Error("an image has a config");
  const { digest, bytes } = makeManifest(config, layers);
  store.manifest(name, digest, bytes);
  for (let tag = 0; tag < shape.tagsOfImage; tag++) store.tag(name, tagAt(image, tag), digest);
}
