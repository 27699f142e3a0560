/** Refused requests to a server with an unread standard error: each causes a long line in the audit log. */
import type { Attack } from "./attack.js";
import { ended, open } from "./sockets.js";

const connections = 8;
/** In total 38 MB of lines: several times the capacity of any queue. */
const requestsPerConnection = 400;

/** Their lines have about 12 KB each, so that a pipe of 64 KiB and any queue behind it are soon full. */
const tags = Array.from({ length: 50 }, (_, index) => `tag=${String(index).padStart(240, "x")}`).join("&");

const request = [
  `PUT /v2/team/app/manifests/latest?${tags} HTTP/1.1`,
  "Host: localhost",
  "Content-Length: 0",
  "",
  "",
].join("\r\n");

export const unreadOutput: Attack = {
  name: "unread-output",
  what: "standard error is not read, while eight connections cause a line of 12 KB with each refused push",
  settings: { REGISTRY_AUDIT_TO: "stderr" },
  unreadErrors: true,
  waitMillisecondsMax: 100,
  run: async (target) => {
    await Promise.all(
      Array.from({ length: connections }, async () => {
        const socket = open(target);
        let left = requestsPerConnection;
        // One after the other: the next request waits for the response.
        const next = () => void (left-- > 0 ? socket.write(request) : socket.end());
        socket.on("data", next);
        next();
        await ended(socket);
      }),
    );
  },
};
