/** Passes the lines of another process on, whole, so that they do not mix with others. */
import type { Readable } from "node:stream";
import type { LineWriter } from "../../lib/line-writer.js";

const lineFeed = 0x0a;

/** A longer line is passed on in pieces. */
const lineBytesMax = 1024 * 1024;

export function forwardLines(from: Readable, to: LineWriter): void {
  let rest: Buffer | undefined;
  const pass = (bytes: Buffer) => {
    // Without room, its own writer drops lines, too.
    if (bytes.length > 0) to.write(bytes);
  };
  from.on("data", (piece: Buffer) => {
    const bytes = rest === undefined ? piece : Buffer.concat([rest, piece]);
    const end = bytes.length > lineBytesMax ? bytes.length : bytes.lastIndexOf(lineFeed) + 1;
    pass(bytes.subarray(0, end));
    rest = end === bytes.length ? undefined : bytes.subarray(end);
  });
  from.once("end", () => {
    if (rest !== undefined) pass(Buffer.concat([rest, Buffer.of(lineFeed)]));
  });
  from.on("error", () => {});
}
