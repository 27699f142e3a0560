/**
 * The limit for small responses: pushed content is kept in memory, and sent by uWebSockets.js with only necessary headers,
 * no check, no log. Accepts the requests of one push and ignores all else.
 */
import uws, { type HttpResponse } from "uWebSockets.js";

interface Stored {
  readonly type: string;
  readonly body: Buffer;
}

const stored = new Map<string, Stored>();

uws
  .App()
  .post("/*", (response, request) => {
    response.writeStatus("202 Accepted").writeHeader("Location", `${request.getUrl()}session`).end();
  })
  .put("/*", (response, request) => {
    const [path, type] = [request.getUrl(), request.getHeader("content-type")];
    const digest = request.getQuery("digest");
    const name = digest === undefined ? path : path.replace("uploads/session", digest);
    collect(response, (body) => {
      stored.set(name, { type, body });
      response.writeStatus("201 Created").end();
    });
  })
  .get("/*", (response, request) => {
    const found = stored.get(request.getUrl());
    if (found === undefined) response.writeStatus("404 Not Found").end();
    else response.writeHeader("Content-Type", found.type).end(found.body);
  })
  .head("/*", (response, request) => {
    // uWebSockets.js aborts the process without it, and closes the connection if the length is not a header.
    response.onAborted(() => {});
    const found = stored.get(request.getUrl());
    if (found === undefined) response.writeStatus("404 Not Found");
    else response.writeHeader("Content-Type", found.type);
    response.writeHeader("Content-Length", String(found?.body.length ?? 0)).endWithoutBody();
  })
  .listen("127.0.0.1", 0, (socket) => {
    if (socket === false) throw new Error("no loopback port");
    process.stdout.write(`ready on http://127.0.0.1:${uws.us_socket_local_port(socket)}\n`);
  });

/** The whole body; the bench sends small ones only. */
function collect(response: HttpResponse, done: (body: Buffer) => void): void {
  const parts: Buffer[] = [];
  response.onAborted(() => {});
  response.onData((chunk, isLast) => {
    parts.push(Buffer.from(chunk.slice(0)));
    if (isLast) response.cork(() => done(Buffer.concat(parts)));
  });
}
