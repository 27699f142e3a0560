/** Formats figures and tables for people. */

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** Aligns columns: those of text, by default the first, to the left, the others to the right. */
export function formatTable(
  rows: readonly (readonly string[])[],
  textColumns: readonly number[] = [0],
): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return textColumns.includes(column) ? cell.padEnd(width) : cell.padStart(width);
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** Such as `42s`, `3m 5s`, `2h 14m`, `7 days` or `1 day 12h`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${smaller(whole % 60, "s")}`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h${smaller(Math.floor((whole % 3600) / 60), "m")}`;
  return count(Math.floor(whole / 86_400), "day") + smaller(Math.floor((whole % 86_400) / 3600), "h");
}

function smaller(number: number, unit: string): string {
  return number === 0 ? "" : ` ${number}${unit}`;
}
