/**
 * The header of the PROXY protocol, version 2, with which a connection to the local socket identifies itself: the ID takes
 * the place of the client's address, and uWebSockets.js returns it as such. A client may send such a header itself, but
 * would have to guess an ID.
 */
import { randomFillSync } from "node:crypto";

const signature = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
/** Version 2, command PROXY. */
const versionAndCommand = 0x21;
/** TCP over IPv6, the kind with room for 16 bytes. */
const family = 0x21;
const idOffset = 16;
const idBytes = 16;
/** Two addresses and two ports. */
const addressesBytes = 36;

export interface ProxyHeader {
  readonly header: Buffer;
  readonly id: Uint8Array;
}

/** Returns a header with a new ID. */
export function newProxyHeader(): ProxyHeader {
  const header = Buffer.alloc(idOffset + addressesBytes);
  signature.copy(header);
  header[12] = versionAndCommand;
  header[13] = family;
  header.writeUInt16BE(addressesBytes, 14);
  randomFillSync(header, idOffset, idBytes);
  return { header, id: header.subarray(idOffset, idOffset + idBytes) };
}
