/**
 * What the jobs of a CI day push and pull, drawn from a seed: base images that many build on, repositories of which
 * few are busy, images of which the latest are pulled most. Makes no bytes: those are new in each run.
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
  /** Jobs at a time: what a pull asks for was pushed that many jobs before, and so is there or nearly so. */
  readonly atOnce: number;
}

export interface CiImage {
  readonly repository: number;
  readonly base: number;
  /** Of the layers on top of the base image's. */
  readonly layerBytes: readonly number[];
}

/** Either has the image's place among those of the plan. */
export type CiJob = { readonly kind: "push" | "pull"; readonly image: number };

export interface CiPlan {
  /** For each base image the sizes of its layers. */
  readonly baseLayerBytes: readonly (readonly number[])[];
  readonly images: readonly CiImage[];
  readonly jobs: readonly CiJob[];
}

/** Near 1, as of words in a text, is what traces of public registries show. */
export const zipfExponent = 1;

/** As they are compressed: an operating system and a runtime below, an application's own on top. */
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

/** Pushes in order, pulls between them; the more recently an image was pushed the more often it is pulled. */
function jobsOf(random: Random, { pushes, pulls, atOnce }: CiShape): CiJob[] {
  const jobs: CiJob[] = [];
  const pushedAt: number[] = [];
  let pulled = 0;
  while (pushedAt.length < pushes || pulled < pulls) {
    // Of those that are no longer under way.
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
