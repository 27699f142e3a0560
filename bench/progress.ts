/** Prints progress on standard error, so that standard output contains only the report. */
export function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}
