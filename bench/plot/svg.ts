/** The SVG shapes of the plots. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A complete picture on white. */
export function picture(width: number, height: number, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

type Anchor = "start" | "middle" | "end";

export function text(at: Point, content: string, anchor: Anchor = "start", attributes = ""): string {
  return `<text x="${round(at.x)}" y="${round(at.y)}" text-anchor="${anchor}" ${attributes}>${escaped(content)}</text>`;
}

export function line(from: Point, to: Point, color: string, width = 1): string {
  const ends = `x1="${round(from.x)}" y1="${round(from.y)}" x2="${round(to.x)}" y2="${round(to.y)}"`;
  return `<line ${ends} stroke="${color}" stroke-width="${width}"/>`;
}

export function polyline(points: readonly Point[], color: string): string {
  const path = points.map(({ x, y }) => `${round(x)},${round(y)}`).join(" ");
  return `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>`;
}

export function dot({ x, y }: Point, color: string): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="3.5" fill="${color}"/>`;
}

/** Shown on hover. */
export function rectangle(at: Point, width: number, height: number, color: string, title: string): string {
  const box = `x="${round(at.x)}" y="${round(at.y)}" width="${round(width)}" height="${round(height)}"`;
  return `<rect ${box} fill="${color}"><title>${escaped(title)}</title></rect>`;
}

export function escaped(content: string): string {
  return content
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
