/**
 * The trace of a server's calls that change or sync files, parsed from strace's output: each call with its start and its
 * end, in the order in which the tracer saw them. Concurrent calls have separate starts and ends.
 */
import { createReadStream } from "node:fs";

export interface Call {
  readonly name: string;
  /** Text arguments, decoded, in order. */
  readonly texts: readonly Buffer[];
  /** The path of the first file descriptor, as reported by the kernel at the start of the call. */
  readonly path: string;
  /** The complete arguments, for flags and numbers, without texts. */
  readonly rest: string;
  /** The line of its start, for errors. */
  readonly line: number;
}

export interface TraceEvent {
  /** Milliseconds since the epoch; for an end, of the call's return. */
  readonly time: number;
  readonly call: Call;
  /** `undefined` at the start; a failed call has no end. */
  readonly result: number | undefined;
}

const calls = [
  ...[
    "openat",
    "open",
    "creat",
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "ftruncate",
    "truncate",
    "fallocate",
  ],
  ...["fsync", "fdatasync", "sync_file_range", "syncfs", "link", "linkat", "symlink", "symlinkat", "rename"],
  ...[
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "copy_file_range",
    "sendfile",
  ],
];

/** A slab is the maximum of one write. */
const textBytesMax = 1024 * 1024;

export function tracer(output: string): string[] {
  const shown = ["-ttt", "-T", "-y", "-xx", "-s", String(textBytesMax)];
  return [
    "strace",
    "-f",
    "--seccomp-bpf",
    "-qq",
    "--signal=none",
    ...shown,
    "-o",
    output,
    "-e",
    `trace=${calls.join()}`,
  ];
}

const whole = /^(\d+) +(\d+\.\d+) (\w+)\((.*)\) += (-?\d+|\?).*? <(\d+\.\d+)>$/;
const begun = /^(\d+) +(\d+\.\d+) (\w+)\((.*) <unfinished \.\.\.>$/;
const resumed = /^(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>.*\) += (-?\d+|\?)/;

export async function* readTrace(file: string): AsyncIterable<TraceEvent> {
  const unfinished = new Map<string, Call>();
  let line = 0;
  for await (const bytes of linesOf(file)) {
    line++;
    const { texts, rest } = withoutTexts(bytes);
    const one = whole.exec(rest);
    if (one !== null) {
      const [, , seconds, name = "", parameters = "", result, took] = one;
      const call = callOf(name, parameters, texts, line);
      const time = Number(seconds) * 1000;
      yield { time, call, result: undefined };
      if (Number(result) >= 0) yield { time: time + Number(took) * 1000, call, result: Number(result) };
      continue;
    }
    const beginning = begun.exec(rest);
    if (beginning !== null) {
      const [, thread = "", seconds, name = "", parameters = ""] = beginning;
      const call = callOf(name, parameters, texts, line);
      unfinished.set(thread, call);
      yield { time: Number(seconds) * 1000, call, result: undefined };
      continue;
    }
    const end = resumed.exec(rest);
    if (end === null) continue;
    const [, thread = "", seconds, , result] = end;
    const call = unfinished.get(thread);
    unfinished.delete(thread);
    if (call !== undefined && Number(result) >= 0)
      yield { time: Number(seconds) * 1000, call, result: Number(result) };
  }
}

/** A hand-written parser: the lines have megabytes, and readline alone would double the time. */
async function* linesOf(file: string): AsyncIterable<Buffer> {
  let parts: Buffer[] = [];
  for await (const chunk of createReadStream(file, {
    highWaterMark: textBytesMax,
  }) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...parts, chunk.subarray(start, end)]);
      parts = [];
      start = end + 1;
    }
    parts.push(chunk.subarray(start));
  }
}

const quote = 34;

/** Returns the quoted texts, and the line without them. In hexadecimal, they contain no quotation mark. */
function withoutTexts(line: Buffer): { texts: Buffer[]; rest: string } {
  const texts: Buffer[] = [];
  let rest = "";
  let start = 0;
  for (let open = line.indexOf(quote); open !== -1; open = line.indexOf(quote, start)) {
    const close = line.indexOf(quote, open + 1);
    if (close === -1) break;
    rest += line.toString("latin1", start, open);
    texts.push(unescaped(line.subarray(open + 1, close)));
    start = close + 1;
  }
  return { texts, rest: rest + line.toString("latin1", start) };
}

function callOf(name: string, parameters: string, texts: readonly Buffer[], line: number): Call {
  if (parameters.includes("...")) throw new Error(`line ${line} of the trace is incomplete`);
  const path = /^\w+<([^>]*)>/.exec(parameters)?.[1] ?? "";
  return { name, texts, rest: parameters, path: unescaped(Buffer.from(path)).toString(), line };
}

/** Decodes `\x2f` and so on. */
function unescaped(escaped: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(escaped.length / 4);
  for (let index = 0; index < bytes.length; index++) {
    const high = escaped[index * 4 + 2] ?? 0;
    const low = escaped[index * 4 + 3] ?? 0;
    bytes[index] = (digitOf(high) << 4) | digitOf(low);
  }
  return bytes;
}

/** The value of a digit 0 to 9 or a to f. */
function digitOf(digit: number): number {
  return digit < 58 ? digit - 48 : digit - 87;
}
