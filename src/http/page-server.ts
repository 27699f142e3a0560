/**
 * Serves a few pages for operators on a separate address, in plain HTTP and without login. It uses Node's HTTP server, so
 * that these few requests share nothing with those of clients.
 */
import { createServer, type ServerResponse } from "node:http";
import type { Headers } from "./exchange.js";

export interface Page {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string | Buffer;
}

/** Pages by path. */
export type Pages = Readonly<Record<string, () => Page | Promise<Page>>>;

export interface PageServer {
  /** Ends its connections too. */
  close(): void;
}

const notFound: Page = { status: 404, headers: [], body: "" };
const wrongMethod: Page = { status: 405, headers: [["Allow", "GET, HEAD"]], body: "" };
const failed: Page = { status: 500, headers: [], body: "" };

/** Rejects if the address is in use. Calls `onError` if a page cannot be rendered. */
export async function servePages(
  pages: Pages,
  { host, port }: { readonly host: string; readonly port: number },
  onError: (error: unknown) => void,
): Promise<PageServer> {
  const pageFor = async (method = "", url = ""): Promise<Page> => {
    const [path = ""] = url.split("?", 1);
    const make = Object.hasOwn(pages, path) ? pages[path] : undefined;
    if (make === undefined) return notFound;
    return method === "GET" || method === "HEAD" ? make() : wrongMethod;
  };
  const server = createServer((request, response) => {
    pageFor(request.method, request.url)
      .catch((error: unknown) => {
        onError(error);
        return failed;
      })
      .then((page) => send(response, page));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host || "::", resolve);
  });
  return {
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function send(response: ServerResponse, { status, headers, body }: Page): void {
  response.writeHead(status, Object.fromEntries(headers)).end(body);
}
