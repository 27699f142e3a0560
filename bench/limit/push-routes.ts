/** The requests of a push, and the GET with which the bench checks that the measured content is stored. */

import type { HttpRequest, HttpResponse, TemplatedApp } from "uWebSockets.js";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Folder } from "./folder.js";
import { Incoming } from "./incoming.js";

export function routePushes(app: TemplatedApp, folder: Folder): void {
  const sessions = new Map<string, Incoming>();
  // A connection stays with its thread, and a session of the bench with its connection.
  app.post("/*", (response, request) => {
    response.writeStatus("202 Accepted").writeHeader("Location", `${request.getUrl()}${randomUUID()}`).end();
  });
  app.patch("/*", (response, request) => {
    const path = request.getUrl();
    const session = nameOf(path);
    const blob = new Incoming(folder.pathOf(session));
    sessions.set(session, blob);
    receive(response, blob, async () => ["202 Accepted", path]);
  });
  app.put("/*", (response, request) => {
    // The session in a blob's path, or the tag in a manifest's.
    const name = nameOf(request.getUrl());
    const digest = request.getQuery("digest");
    const temporary = digest === undefined ? randomUUID() : name;
    const blob = sessions.get(name) ?? new Incoming(folder.pathOf(temporary));
    sessions.delete(name);
    receive(response, blob, async () => {
      const found = await blob.seal();
      if (digest !== undefined && found !== digest) {
        await rm(folder.pathOf(temporary));
        return ["400 Bad Request", found];
      }
      await folder.keep(temporary, digest ?? name);
      return ["201 Created", found];
    });
  });
  app.head("/*", (response) => {
    // uWebSockets.js aborts the process without it, and closes the connection if the length is not a header.
    response.onAborted(() => {});
    response.writeStatus("404 Not Found").writeHeader("Content-Length", "0").endWithoutBody();
  });
  app.get("/*", (response, request) => answerStored(response, request, folder));
}

type Answer = readonly [status: string, location: string];

function receive(response: HttpResponse, blob: Incoming, finish: () => Promise<Answer>): void {
  /** Answered or aborted: the response may no longer be touched. */
  let over = false;
  /** The end of a body may arrive during a pause. A response during it would leave the connection paused. */
  let flowing: Promise<unknown> = Promise.resolve();
  response.onAborted(() => {
    over = true;
  });
  response.onData((chunk, isLast) => {
    const full = blob.take(new Uint8Array(chunk));
    if (isLast) {
      Promise.all([finish(), flowing]).then(([[status, location]]) => {
        if (over) return;
        over = true;
        response.cork(() => response.writeStatus(status).writeHeader("Location", location).end());
      });
    } else if (full !== undefined) {
      response.pause();
      flowing = full.then(() => {
        if (!over) response.resume();
      });
    }
  });
}

function answerStored(response: HttpResponse, request: HttpRequest, folder: Folder): void {
  response.end(readFileSync(folder.pathOf(nameOf(request.getUrl()))));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
