/**
 * Reads the documents for tests: their examples in fences, and how each is tested. A comment before the fence, which readers
 * do not see, states it: `<!-- test: server -->` for commands that end with a server, which the next ones need, and `<!--
 * test: test/packaging/helm.test.ts -->` for those that another file runs.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkout } from "../packaging/pack.js";

export interface Example {
  /** Path in the checkout: "docs/operating.md". */
  readonly page: string;
  readonly line: number;
  /** The heading of the second level above it. */
  readonly heading: string;
  readonly language: string;
  readonly text: string;
  readonly test: string | undefined;
}

/** All pages for users and operators, in order. */
export async function pages(): Promise<string[]> {
  const guides = (await readdir(join(checkout, "docs"))).filter((name) => name.endsWith(".md"));
  return ["README.md", ...guides.sort().map((name) => `docs/${name}`)];
}

export function readPage(page: string): Promise<string> {
  return readFile(join(checkout, page), "utf8");
}

const parts =
  /^## (?<heading>.+)$|^(?:<!-- test: (?<test>.+) -->\n)?```(?<language>\w+)\n(?<text>[\s\S]*?)^```$/gm;

/** Returns the page's examples with a language. */
export async function examplesOf(page: string): Promise<Example[]> {
  const whole = await readPage(page);
  const examples: Example[] = [];
  let heading = "";
  for (const { index, groups = {} } of whole.matchAll(parts)) {
    const { language, text, test } = groups;
    if (groups.heading !== undefined) heading = groups.heading;
    if (language === undefined || text === undefined) continue;
    const line = whole.slice(0, index).split("\n").length;
    examples.push({ page, line, heading, language, text, test });
  }
  return examples;
}

/** Returns the page's only example with this beginning, below this heading. */
export async function exampleOf(page: string, heading: string, first: string): Promise<string> {
  const found = (await examplesOf(page)).filter(
    (example) => example.heading === heading && example.text.startsWith(first),
  );
  const [example, ...others] = found;
  if (example === undefined || others.length > 0)
    throw new Error(`${page} has ${found.length} examples below "${heading}" that start with ${first}`);
  return example.text;
}

/** Returns an example's commands, joining those that span several lines. */
export function commandsOf({ text }: Pick<Example, "text">): string[] {
  return text
    .replaceAll(/ *\\\n */g, " ")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
}
