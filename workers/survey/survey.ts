/**
 * What runs in the thread that looks through the store's folders: where the main thread asks the system, each look is
 * a way to another thread and back, which costs several times as much as the look; here it costs itself. It knows
 * where things lie, and changes nothing.
 */
import { workerData } from "piscina";
import { Layout } from "../../src/storage/filesystem/layout.js";
import type {
  CatalogPart,
  CatalogTask,
  Measures,
  MeasureTask,
  SurveySetup,
  TagsPart,
  TagsTask,
} from "../../src/storage/filesystem/survey-protocol.js";
import { Catalog } from "./catalog.js";
import { measureFiles } from "./measure.js";
import { lookAtTags } from "./tags.js";

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
