/** Style sheet, script and icon. Their addresses contain the hash of their bytes, so that browsers keep them for good. */
import { createHash } from "node:crypto";
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
    exchange.send(
      200,
      [
        ["Content-Type", types[name]],
        ["Cache-Control", isCurrent ? "public, max-age=31536000, immutable" : "no-cache"],
      ],
      this.bytes[name],
    );
  }
}

function versionOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, hashLength);
}
