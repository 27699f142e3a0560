/** A span exporter that reports when it starts and stops losing spans, but not each lost batch. */
import { type ExportResult, ExportResultCode } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";

export interface WatchedExporterOptions {
  /** Called for the first of consecutive lost batches. */
  readonly onBroken: (error: unknown) => void;
  /** Called when a batch has arrived again, with the number of spans lost before. */
  readonly onMended: (lost: number) => void;
}

export class WatchedExporter implements SpanExporter {
  #lost = 0;

  constructor(
    readonly exporter: SpanExporter,
    readonly options: WatchedExporterOptions,
  ) {}

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.exporter.export(spans, (result) => {
      this.#note(spans.length, result);
      done(result);
    });
  }

  #note(spans: number, { code, error }: ExportResult): void {
    if (code === ExportResultCode.SUCCESS) {
      if (this.#lost > 0) this.options.onMended(this.#lost);
      this.#lost = 0;
    } else {
      if (this.#lost === 0) this.options.onBroken(error);
      this.#lost += spans;
    }
  }

  async forceFlush(): Promise<void> {
    await this.exporter.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.exporter.shutdown();
  }
}
