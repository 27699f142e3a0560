/**
 * Stack traces that name the source files. A bundle's source map is read when the first trace of it is printed: neither a
 * start nor a server without errors pays for it.
 */
import fs = require("node:fs");
import path = require("node:path");
import type maps = require("./source-map.cjs");

type SourceMap = InstanceType<typeof maps.SourceMap>;

/** By bundle; `undefined` for one without a map. */
const read = new Map<string, SourceMap | undefined>();

function mapOf(bundle: string): SourceMap | undefined {
  if (!read.has(bundle)) read.set(bundle, readMap(`${bundle}.map`));
  return read.get(bundle);
}

function readMap(file: string): SourceMap | undefined {
  try {
    const { SourceMap }: typeof maps = require("./source-map.cjs");
    return new SourceMap(fs.readFileSync(file, "latin1"));
  } catch {
    return undefined;
  }
}

/** Compiled code has the bundle's path where it was compiled, which may be another machine. */
const inBundles = /^.*[/\\]dist[/\\]bundle[/\\](.+\.cjs)$/;

/** Names the sources of all bundles in this thread's stack traces. `folder` is that of the bundles. */
function nameSources(folder: string): void {
  // V8 calls it when the trace of an error is read for the first time, not when an error is created.
  Error.prepareStackTrace = (error, sites) =>
    headOf(error) + sites.map((site) => `\n    at ${lineOf(site, folder)}`).join("");
}

function lineOf(site: NodeJS.CallSite, folder: string): string {
  const text = String(site);
  const file = site.getFileName() ?? "";
  const bundle = inBundles.exec(file)?.[1];
  if (bundle === undefined) return text;
  const [line, column] = [site.getLineNumber() ?? 0, site.getColumnNumber() ?? 0];
  const source = mapOf(path.join(folder, bundle))?.find(line, column);
  return source === undefined ? text : text.replace(`${file}:${line}:${column}`, source);
}

/** Returns the first line of a trace. Node shows the codes of its own errors in it. */
function headOf(error: Error & { readonly code?: unknown }): string {
  const head = String(error);
  const { name, code } = error;
  const isOfNode = typeof code === "string" && code.startsWith("ERR_") && head.startsWith(`${name}:`);
  return isOfNode ? head.replace(name, `${name} [${code}]`) : head;
}

export = { nameSources };
