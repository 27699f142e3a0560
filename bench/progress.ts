/** What goes on, told on standard error, so that standard output is the report alone. */
export function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}
