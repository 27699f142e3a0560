// A collector of OpenTelemetry's traces on a loopback port, which accepts OTLP over HTTP as JSON.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

type Value = string | number | boolean;

export interface CollectedSpan {
  readonly trace: string;
  readonly id: string;
  /** "" for a span without parent. */
  readonly parent: string;
  readonly name: string;
  /** 2 for a server span. */
  readonly kind: number;
  /** In nanoseconds since the epoch. */
  readonly from: bigint;
  readonly to: bigint;
  readonly attributes: ReadonlyMap<string, Value>;
  /** Attributes of the resource. */
  readonly resource: ReadonlyMap<string, Value>;
  readonly failed: boolean;
}

/** The behaviour for a request: accept it, refuse it, or never respond. */
export type Manner = "takes" | "refuses" | "hangs";

export interface Collector extends AsyncDisposable {
  readonly url: string;
  manner: Manner;
  readonly spans: CollectedSpan[];
  readonly requests: { readonly path: string; readonly type: string; readonly body: Buffer }[];
}

interface Attribute {
  readonly key: string;
  readonly value: { stringValue?: string; intValue?: number; doubleValue?: number; boolValue?: boolean };
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly name: string;
        readonly kind: number;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly attributes: readonly Attribute[];
        readonly status: { readonly code?: number };
      }[];
    }[];
  }[];
}

export async function startCollector(): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const requests: Collector["requests"] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const { url: path = "", headers } = request;
      const body = Buffer.concat(chunks);
      requests.push({ path, type: headers["content-type"] ?? "", body });
      if (collector.manner === "hangs") return;
      if (collector.manner === "refuses") return response.writeHead(400).end();
      if (headers["content-type"] === "application/json")
        spans.push(...spansOf(JSON.parse(body.toString()) as Export));
      response.end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const collector: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    manner: "takes",
    spans,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return collector;
}

function spansOf({ resourceSpans }: Export): CollectedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map((span) => ({
        trace: span.traceId,
        id: span.spanId,
        parent: span.parentSpanId ?? "",
        name: span.name,
        kind: span.kind,
        from: BigInt(span.startTimeUnixNano),
        to: BigInt(span.endTimeUnixNano),
        attributes: valuesOf(span.attributes),
        resource: valuesOf(resource.attributes),
        failed: span.status.code === 2,
      })),
    ),
  );
}

function valuesOf(attributes: readonly Attribute[]): Map<string, Value> {
  return new Map(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue ?? "",
    ]),
  );
}
