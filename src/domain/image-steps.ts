/** Which step of an image's history made which layer (image-spec, config.md, "history"). */
import type { HistoryStep, ImageConfig } from "./image-config.js";
import type { DescriptorDetails, ManifestDetails } from "./manifest-details.js";

/** A step, and the layer that it made; one of them may be absent. */
export interface ImageStep {
  readonly step: HistoryStep | undefined;
  readonly layer: DescriptorDetails | undefined;
}

export interface ImageSteps {
  /** The oldest first. */
  readonly steps: readonly ImageStep[];
  /**
   * Whether the history has a step for each layer. Otherwise it is unknown which step made which layer, and the layers come
   * first, then the steps. Also true without a history.
   */
  readonly fits: boolean;
}

export function imageSteps(
  { entries }: Pick<ManifestDetails, "entries">,
  config: Pick<ImageConfig, "history" | "layerSteps"> | undefined,
): ImageSteps {
  const layers = entries.items;
  const onlyLayers = layers.map((layer) => ({ step: undefined, layer }));
  if (config === undefined || config.history.total === 0) return { steps: onlyLayers, fits: true };
  const { history, layerSteps } = config;
  if (layerSteps !== entries.total)
    return {
      steps: [...onlyLayers, ...history.items.map((step) => ({ step, layer: undefined }))],
      fits: false,
    };
  let next = 0;
  const steps: ImageStep[] = history.items.map((step) => ({
    step,
    layer: step.isEmpty ? undefined : layers[next++],
  }));
  // The history may have been cut, because it is too long to be kept.
  return { steps: [...steps, ...onlyLayers.slice(next)], fits: true };
}
