/**
 * Stack traces that name the source files. A bundle's source map is read when the first trace of it is printed: neither a
 * start nor a server without errors pays for it.
 */
import fs = require("node:fs");
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

/** Names the sources of all bundles in a folder in this thread's stack traces. */
function nameSources(folder: string): void {
  // V8 calls it when the trace of an error is read for the first time, not when an error is created.
  Error.prepareStackTrace = (error, sites) =>
    headOf(error) + sites.map((site) => `\n    at ${lineOf(site, folder)}`).join("");
}

function lineOf(site: NodeJS.CallSite, folder: string): string {
  const text = String(site);
  const bundle = site.getFileName();
  if (!bundle?.startsWith(folder)) return text;
  const [line, column] = [site.getLineNumber() ?? 0, site.getColumnNumber() ?? 0];
  const source = mapOf(bundle)?.find(line, column);
  return source === undefined ? text : text.replace(`${bundle}:${line}:${column}`, source);
}

/** Returns the first line of a trace. Node shows the codes of its own errors in it. */
function headOf(error: Error & { readonly code?: unknown }): string {
  const head = String(error);
  const { name, code } = error;
  const isOfNode = typeof code === "string" && code.startsWith("ERR_") && head.startsWith(`${name}:`);
  return isOfNode ? head.replace(name, `${name} [${code}]`) : head;
}

export = { nameSources };
