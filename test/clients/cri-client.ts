/**
 * Asks a container runtime for images as a kubelet does: the image service of the Container Runtime Interface, gRPC over a Unix
 * socket. Encodes only the messages that it needs.
 */
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";

/** In seconds; a pull that hangs must not block the suite. */
const deadlineSeconds = 120;

export interface CriLogin {
  readonly username: string;
  readonly password: string;
}

/** A field with a length, as Protocol Buffers encode strings and messages. */
function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  const length: number[] = [];
  for (let rest = bytes.length; ; rest = Math.floor(rest / 128)) {
    length.push((rest % 128) + (rest >= 128 ? 128 : 0));
    if (rest < 128) break;
  }
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), bytes]);
}

/** `ImageSpec` in `PullImageRequest`, `ImageStatusRequest` and `RemoveImageRequest`. */
const imageField = (image: string) => field(1, field(1, image));

export class CriClient {
  constructor(private readonly socket: string) {}

  async pull(image: string, login?: CriLogin): Promise<void> {
    const auth = login && Buffer.concat([field(1, login.username), field(2, login.password)]);
    const parts = auth === undefined ? [imageField(image)] : [imageField(image), field(2, auth)];
    await this.#call("PullImage", Buffer.concat(parts));
  }

  /** Returns the digest by which the runtime knows the image in its repository. */
  async digest(image: string): Promise<string> {
    const answer = await this.#call("ImageStatus", imageField(image));
    return /@(sha256:[0-9a-f]{64})/.exec(answer.toString("latin1"))?.[1] ?? "";
  }

  async remove(image: string): Promise<void> {
    await this.#call("RemoveImage", imageField(image));
  }

  /** Resolves once the runtime answers. */
  async ready(): Promise<void> {
    await this.#call("ListImages", Buffer.alloc(0));
  }

  #call(method: string, message: Buffer): Promise<Buffer> {
    const session = connectHttp2("http://localhost", { createConnection: () => connect(this.socket) });
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    return new Promise<Buffer>((resolve, reject) => {
      session.once("error", reject);
      const request = session.request({
        ":method": "POST",
        ":path": `/runtime.v1.ImageService/${method}`,
        "content-type": "application/grpc",
        "grpc-timeout": `${deadlineSeconds}S`,
        te: "trailers",
      });
      const chunks: Buffer[] = [];
      let status: Record<string, unknown> = {};
      const note = (headers: Record<string, unknown>) => {
        status = { ...status, ...headers };
      };
      // An error without a body comes with the headers.
      request.once("response", note).once("trailers", note).once("error", reject);
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.once("end", () => {
        if (status["grpc-status"] === "0") return resolve(Buffer.concat(chunks).subarray(prefix.length));
        const why = decodeURIComponent(String(status["grpc-message"]));
        reject(new Error(`${method}: ${status["grpc-status"]} ${why}`));
      });
      request.end(Buffer.concat([prefix, message]));
    }).finally(() => session.destroy());
  }
}
