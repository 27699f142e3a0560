/** Parses bytes such as `50MiB`, `1.5GiB` or `20MB`. Returns `undefined` for other text and for zero. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(B|[KMGT]i?B)$/.exec(text);
  const unit = match?.[2] ?? "";
  const power = "BKMGT".indexOf(unit.charAt(0));
  const bytes = Math.floor(Number(match?.[1]) * (unit.includes("i") ? 1024 : 1000) ** power);
  return bytes > 0 ? bytes : undefined;
}
