/** Names for which a backtracking matcher needs seconds. */
import { fileURLToPath } from "node:url";
import { type Body, Connection } from "../driver/connection.js";
import { manifestMediaType } from "../driver/registry.js";
import type { Attack, AttackTarget } from "./attack.js";

const connections = 8;
const nameCharacters = 254;

const mediaType = "application/vnd.oci.image.index.v1+json";

/** Names a missing manifest: refused after the name was matched, without a write. */
const bytes = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType,
    manifests: [{ mediaType: manifestMediaType, digest: `sha256:${"0".repeat(64)}`, size: 2 }],
  }),
);
const index: Body = { length: bytes.length, pieces: () => [[bytes]] };

async function push(target: AttackTarget, path: string): Promise<void> {
  using connection = await Connection.open(target);
  const headers = { "Content-Type": mediaType };
  while (!target.signal.aborted) await connection.request("PUT", path, { headers, body: index });
}

export const globStars: Attack = {
  name: "glob-stars",
  what: "8 connections push tags to a repository whose name makes patterns with many stars backtrack",
  settings: {
    REGISTRY_TAGS_POLICY: fileURLToPath(new URL("../../../bench/attacks/glob-stars.json", import.meta.url)),
  },
  waitMillisecondsMax: 100,
  run: async (target) => {
    const names = ["a".repeat(nameCharacters), `${"a/".repeat(nameCharacters / 2 - 1)}aa`];
    await Promise.all(
      Array.from({ length: connections }, (_, number) =>
        push(target, `/v2/${names[number % names.length]}/manifests/tag-${number}`).catch(() => {}),
      ),
    );
  },
};
