/** Pushes a blob from a stream of another registry, with the same workers and the same commit as for a client. */
import type { PushPermit } from "../auth/gate.js";
import { algorithmOf, type Digest } from "../domain/digest.js";
import { unlimitedMemory } from "../lib/growing-buffer.js";
import { HeldBytes } from "../lib/held-bytes.js";
import type { Flow } from "../uploads/body-writer.js";
import type { Session } from "../uploads/session.js";
import { IncomingBody, openSingleUpload } from "./push-blob.js";
import type { Services } from "./services.js";

/** Pauses the source's stream while the upload has no room. */
class Gate implements Flow {
  #opened: Promise<void> | undefined;
  #open: () => void = () => {};

  hold(): HeldBytes {
    return new HeldBytes(unlimitedMemory);
  }

  pause(): void {
    this.#opened ??= new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  resume(): void {
    this.#opened = undefined;
    this.#open();
  }

  passed(): Promise<void> | undefined {
    return this.#opened;
  }
}

/** Rejects with `digest-mismatch`, or with the error of the source or the storage. */
export async function pushStream(
  services: Services,
  permit: PushPermit,
  digest: Digest,
  bytes: AsyncIterable<Uint8Array>,
): Promise<void> {
  const gate = new Gate();
  const session = openSingleUpload(services, permit, algorithmOf(digest));
  const claim = { range: undefined, length: undefined, closing: digest };
  const body = new IncomingBody(services, session, claim, gate);
  try {
    for await (const chunk of bytes) {
      body.write(chunk);
      await gate.passed();
      // The rest of a large blob need not be read in vain.
      if (body.failure !== undefined) break;
    }
  } catch (error) {
    await body.abort();
    await end(services, session);
    throw error;
  }
  try {
    await body.commit(digest);
  } catch (error) {
    await end(services, session);
    throw error;
  }
}

/** Nobody continues the upload of a stream. */
async function end({ sessions }: Services, session: Session): Promise<void> {
  if (session.state === "idle") await sessions.close(session);
}
