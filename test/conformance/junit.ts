/**
 * Reads the JUnit reports of both conformance programs: each test's name and result. It rejects a report that does not
 * contain as many tests as it states, so that a parse error cannot pass for a success.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

export interface Case {
  readonly name: string;
  readonly status: string;
}

export interface Report {
  readonly cases: readonly Case[];
  /** The counters of the suite's opening tag, such as tests, failures, errors, skipped, disabled. */
  readonly counts: Readonly<Record<string, number>>;
}

export async function readJunit(path: string): Promise<Report> {
  const text = await readFile(path, "utf8");
  const suite = /<testsuite\s([^>]*)>/.exec(text)?.[1];
  assert.ok(suite, `${path} contains no test suite`);
  const counts = Object.fromEntries(
    Object.entries(attributes(suite)).map(([name, value]) => [name, Number(value)]),
  );
  const cases = [...text.matchAll(/<testcase\s([^>]*)>/g)].map((match) => {
    const { name, status } = attributes(match[1] ?? "");
    assert.ok(name && status, `${path} contains a test without name or status`);
    return { name, status };
  });
  assert.ok(cases.length > 0, `${path} contains no test`);
  return { cases, counts };
}

function attributes(tag: string): Record<string, string> {
  return Object.fromEntries(
    [...tag.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, name = "", value = ""]) => [name, unescaped(value)]),
  );
}

function unescaped(text: string): string {
  return text
    .replace(/&#x([0-9A-Fa-f]+);/g, (_, hex) => String.fromCodePoint(Number.parseInt(hex, 16)))
    .replace(/&#(\d+);/g, (_, decimal) => String.fromCodePoint(Number(decimal)))
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}
