/** A flame graph as SVG: callers above callees, with the width of their time. */
import { escaped } from "../plot/svg.js";
import type { Call, CpuProfile } from "./cpu-profile.js";

const width = 1600;
const rowHeight = 17;
const headHeight = 30;
/** Narrower boxes can be neither read nor pointed at. */
const narrowest = 0.4;
const characterWidth = 6.6;

const colors = {
  own: "#f4a259",
  packages: "#8cb369",
  node: "#7fb2d6",
  native: "#c9c9c9",
};

export function flameGraph(title: string, { busy, idleMicroseconds }: CpuProfile): string {
  const rectangles: string[] = [];
  let rows = 0;
  const draw = (call: Call, left: number, row: number): void => {
    const wide = (call.microseconds / busy.microseconds) * width;
    if (wide < narrowest) return;
    rows = Math.max(rows, row + 1);
    rectangles.push(rectangle(call, left, row, wide, busy.microseconds));
    let childLeft = left;
    for (const child of [...call.children.values()].sort((a, b) => b.microseconds - a.microseconds)) {
      draw(child, childLeft, row + 1);
      childLeft += (child.microseconds / busy.microseconds) * width;
    }
  };
  draw(busy, 0, 0);
  const height = headHeight + rows * rowHeight;
  const told = `${title}: ${seconds(busy.microseconds)} busy, ${seconds(idleMicroseconds)} idle`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="monospace" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="4" y="20" font-size="14">${escaped(told)}</text>`,
    ...rectangles,
    "</svg>",
    "",
  ].join("\n");
}

function rectangle(call: Call, left: number, row: number, wide: number, all: number): string {
  const top = headHeight + row * rowHeight;
  const share = ((100 * call.microseconds) / all).toFixed(1);
  const text = call.name.slice(0, Math.floor((wide - 4) / characterWidth));
  return [
    `<g><title>${escaped(`${call.name} ${call.place}`)}, ${share} %, ${seconds(call.microseconds)}</title>`,
    `<rect x="${left.toFixed(1)}" y="${top}" width="${wide.toFixed(1)}" height="${rowHeight - 1}" fill="${colorOf(call)}"/>`,
    text === "" ? "" : `<text x="${(left + 2).toFixed(1)}" y="${top + 12}">${escaped(text)}</text>`,
    "</g>",
  ].join("");
}

function colorOf({ place }: Call): string {
  if (place === "") return colors.native;
  if (place.startsWith("node_modules/")) return colors.packages;
  return place.startsWith("node:") ? colors.node : colors.own;
}

function seconds(microseconds: number): string {
  return `${(microseconds / 1e6).toFixed(2)} s`;
}
