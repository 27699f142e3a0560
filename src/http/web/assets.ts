/** Style sheet, script and icon. Their addresses contain the hash of their bytes, so that browsers keep them for good. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import type { Exchange } from "../exchange.js";

export const assetPaths = { style: "/ui/style.css", script: "/ui/page.js", icon: "/ui/icon.svg" } as const;

export type AssetName = keyof typeof assetPaths;

const types: Readonly<Record<AssetName, string>> = {
  style: "text/css; charset=utf-8",
  script: "text/javascript; charset=utf-8",
  icon: "image/svg+xml",
};

/** Characters of a hash in an address. */
const hashLength = 16;

export class Assets {
  readonly #versions: Readonly<Record<AssetName, string>>;
  /** Each from its first use on: compressing takes a start longer than hashing. */
  readonly #compressed = new Map<AssetName, Buffer>();

  constructor(readonly bytes: Readonly<Record<AssetName, Buffer>>) {
    const { style, script, icon } = bytes;
    this.#versions = { style: versionOf(style), script: versionOf(script), icon: versionOf(icon) };
  }

  /** Returns the address of a file. */
  url(name: AssetName): string {
    return `${assetPaths[name]}?v=${this.#versions[name]}`;
  }

  send(exchange: Exchange, name: AssetName): void {
    const isCurrent = exchange.query === `v=${this.#versions[name]}`;
    const isCompressed = acceptsGzip(exchange.incoming.headers["accept-encoding"] ?? "");
    exchange.send(
      200,
      [
        ["Content-Type", types[name]],
        ["Cache-Control", isCurrent ? "public, max-age=31536000, immutable" : "no-cache"],
        ["Vary", "Accept-Encoding"],
        ...(isCompressed ? [["Content-Encoding", "gzip"] as const] : []),
      ],
      isCompressed ? this.#compress(name) : this.bytes[name],
    );
  }

  #compress(name: AssetName): Buffer {
    const compressed = this.#compressed.get(name) ?? gzipSync(this.bytes[name]);
    this.#compressed.set(name, compressed);
    return compressed;
  }
}

/** A page is drawn only when style sheet and script are there: on a slow network, a third of the bytes is a third of the time. */
function acceptsGzip(encodings: string): boolean {
  return encodings.split(",").some((encoding) => /^\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$)|$)/i.test(encoding));
}

function versionOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, hashLength);
}
