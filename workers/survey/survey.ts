/**
 * The thread that reads the store's folders. In the main thread each call would cost a round trip to another thread, several
 * times as much as the call itself. It knows the layout of the store and changes nothing.
 */
import { workerData } from "node:worker_threads";
import { Layout } from "../../src/storage/filesystem/layout.js";
import type {
  CatalogPart,
  CatalogTask,
  EntriesPart,
  Measures,
  MeasureTask,
  SurveySetup,
  TagsPart,
  TagsTask,
} from "../../src/storage/filesystem/survey-protocol.js";
import { Catalog } from "./catalog.js";
import { measureFiles } from "./measure.js";
import { entryNames, lookAtTags } from "./tags.js";

const { root } = workerData as SurveySetup;
const repositories = new Catalog(new Layout(root));

export function catalog(task: CatalogTask): CatalogPart {
  return repositories.part(task);
}

export function leave(walk: number): void {
  repositories.leave(walk);
}

export function measure(task: MeasureTask): Measures {
  return measureFiles(task);
}

export function tags(task: TagsTask): TagsPart {
  return lookAtTags(task);
}

export function entries(task: TagsTask): EntriesPart {
  return entryNames(task);
}
