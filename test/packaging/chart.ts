// The Helm chart as helm renders it.

import { join } from "node:path";
import { type Document, parseAllDocuments } from "yaml";
import { needs, run } from "../clients/support.js";
import { checkout } from "./pack.js";

/** For a test's `skip`. */
export const needsHelm = needs("helm");
export const chart = join(checkout, "deploy", "helm", "gantry");
/** The path of the container in the deployment. */
export const container = ["spec", "template", "spec", "containers", 0];

/** Returns the documents by their kinds. `values` are like those of helm's `--set`. */
export async function render(...values: readonly string[]): Promise<ReadonlyMap<string, Document>> {
  const text = await run("helm", ["template", "test", chart, ...values.flatMap((value) => ["--set", value])]);
  const documents = parseAllDocuments(text) as Document[];
  return new Map(documents.map((document) => [String(document.get("kind")), document]));
}

/** Returns the plain value at a path. */
export function at(document: Document | undefined, ...path: readonly (string | number)[]): unknown {
  const value = document?.getIn(path);
  return typeof value === "object" && value !== null && "toJSON" in value
    ? JSON.parse(JSON.stringify(value))
    : value;
}
