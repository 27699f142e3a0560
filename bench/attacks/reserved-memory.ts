/** Manifests with large announced lengths and few bytes: memory must be charged for received bytes, not for announced ones. */
import { setTimeout as sleep } from "node:timers/promises";
import { Connection } from "../driver/connection.js";
import type { Endpoint } from "../driver/endpoint.js";
import { makeImage, storeImage } from "../driver/image.js";
import { Payload } from "../driver/payload.js";
import { expectStatus, manifestPath, putManifest } from "../driver/registry.js";
import { type Attack, type AttackTarget, bystanderAddress } from "./attack.js";
import { ended, open, send } from "./sockets.js";

const connections = 200;
const announcedBytes = 4 * 1024 * 1024;
const secondsPerByte = 1;
/** Size of a manifest whose memory was formerly shared with the attackers'. */
const paddingBytes = 200_000;

async function promiseMuch(target: AttackTarget, number: number): Promise<void> {
  const socket = open(target);
  const head = `PUT /v2/attack/manifests/tag-${number} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${announcedBytes}`;
  await send(socket, [`${head}\r\n\r\n`]);
  while (!socket.destroyed && !target.signal.aborted) {
    await send(socket, ["{"]);
    await sleep(secondsPerByte * 1000);
  }
  await ended(socket);
}

/** Continuously pushes large manifests from another address. Throws if one is refused or takes too long. */
async function pushLarge(target: AttackTarget): Promise<void> {
  const endpoint: Endpoint = { ...target, localAddress: bystanderAddress };
  using connection = await Connection.open(endpoint);
  const image = makeImage("bystander/large", "latest", new Payload(1000), [new Payload(1000)]);
  await storeImage(connection, image);
  const manifest = JSON.parse(image.manifest.bytes.toString()) as object;
  for (let round = 0; !target.signal.aborted; round++) {
    const padded = { ...manifest, annotations: { padding: "x".repeat(paddingBytes), round: String(round) } };
    const bytes = Buffer.from(JSON.stringify(padded));
    const began = performance.now();
    await putManifest(connection, "bystander/large", "latest", { digest: "", bytes });
    const milliseconds = performance.now() - began;
    if (milliseconds > 1000) throw new Error(`a manifest of ${bytes.length} bytes took ${milliseconds} ms`);
    await sleep(100);
  }
  expectStatus(
    await connection.request("GET", manifestPath("bystander/large", "latest")),
    200,
    "GET of a large manifest",
  );
}

export const reservedMemory: Attack = {
  name: "reserved-memory",
  what: "200 pushes announce manifests of 4 MiB and send one byte a second, while another client pushes large ones",
  waitMillisecondsMax: 50,
  run: async (target) => {
    const attackers = Array.from({ length: connections }, (_, number) => promiseMuch(target, number));
    await pushLarge(target);
    await Promise.all(attackers);
  },
};
