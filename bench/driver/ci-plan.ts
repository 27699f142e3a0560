/**
 * The pushes and pulls of a CI day's jobs, drawn from a seed: popular base images, few busy repositories, and mostly recent
 * images. It creates no bytes, which are new in each run.
 */
import { Random } from "../../test/torture/random.js";
import { mebibyte } from "../units.js";
import { logarithmicBytes } from "./image.js";
import { Zipf } from "./zipf.js";

export interface CiShape {
  readonly pushes: number;
  readonly pulls: number;
  readonly repositories: number;
  readonly baseImages: number;
  /** Concurrent jobs: a pulled image was pushed this many jobs before, so its push is finished or nearly so. */
  readonly atOnce: number;
}

export interface CiImage {
  readonly repository: number;
  readonly base: number;
  /** Sizes of the layers on top of the base image's. */
  readonly layerBytes: readonly number[];
}

/** Both have the image's index in the plan. */
export type CiJob = { readonly kind: "push" | "pull"; readonly image: number };

export interface CiPlan {
  /** Layer sizes of each base image. */
  readonly baseLayerBytes: readonly (readonly number[])[];
  readonly images: readonly CiImage[];
  readonly jobs: readonly CiJob[];
}

/** Near 1, as for words in a text; traces of public registries show the same. */
export const zipfExponent = 1;

/** Compressed sizes: an operating system and a runtime below, an application on top. */
const baseLayer = { layers: 2, bytesMin: mebibyte, bytesMax: 16 * mebibyte };
const ownLayer = { layersMin: 1, layersMax: 3, bytesMin: 10_000, bytesMax: 4 * mebibyte };

export function planCiDay(seed: string, shape: CiShape): CiPlan {
  const random = new Random(seed);
  const draw = () => random.next();
  const busy = new Zipf(shape.repositories, zipfExponent, draw);
  const popular = new Zipf(shape.baseImages, zipfExponent, draw);
  const sizeOf = ({ bytesMin, bytesMax }: { bytesMin: number; bytesMax: number }) =>
    logarithmicBytes(bytesMin, bytesMax, draw());
  const baseLayerBytes = Array.from({ length: shape.baseImages }, () =>
    Array.from({ length: baseLayer.layers }, () => sizeOf(baseLayer)),
  );
  const images = Array.from({ length: shape.pushes }, () => ({
    repository: busy.next(),
    base: popular.next(),
    layerBytes: Array.from({ length: random.between(ownLayer.layersMin, ownLayer.layersMax + 1) }, () =>
      sizeOf(ownLayer),
    ),
  }));
  return { baseLayerBytes, images, jobs: jobsOf(random, shape) };
}

/** Pushes in order, with pulls in between; recent images are pulled more often. */
function jobsOf(random: Random, { pushes, pulls, atOnce }: CiShape): CiJob[] {
  const jobs: CiJob[] = [];
  const pushedAt: number[] = [];
  let pulled = 0;
  while (pushedAt.length < pushes || pulled < pulls) {
    // Chosen among those whose push is finished.
    const there = pushedAt.filter((place) => place + atOnce < jobs.length).length;
    const mayPull = pulled < pulls && (there > 0 || pushedAt.length === pushes);
    const left = (pulls - pulled) / (pulls - pulled + pushes - pushedAt.length);
    if (mayPull && random.chance(left)) {
      const age = new Zipf(Math.max(1, there), zipfExponent, () => random.next()).next();
      jobs.push({ kind: "pull", image: Math.max(0, there - 1 - age) });
      pulled++;
    } else if (pushedAt.length < pushes) {
      pushedAt.push(jobs.length);
      jobs.push({ kind: "push", image: pushedAt.length - 1 });
    }
  }
  return jobs;
}
