/** Small plots, drawn by the server. Each has a text for those who do not see it; a table beside it has the figures. */

const width = 384;
const height = 56;

interface PlotProps {
  /** Unique on the page. */
  readonly id: string;
  readonly title: string;
  /** What the plot shows, in figures. */
  readonly text: string;
  /** One for each quarter of an hour, from left to right; `undefined` for none. */
  readonly values: readonly (number | undefined)[];
  /** The value at the top. */
  readonly max: number;
  readonly kind: "amount" | "rate";
}

export function Plot({ id, title, text, values, max, kind }: PlotProps) {
  return (
    <figure>
      <figcaption>
        {title} <span class="note">{text}</span>
      </figcaption>
      <svg
        class={`plot ${kind}`}
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-labelledby={`${id}-title ${id}-text`}
      >
        <title id={`${id}-title`}>{title}</title>
        <desc id={`${id}-text`}>{text}</desc>
        <path class="ground" d={`M0 ${height - 0.5}H${width}`} />
        <path class="area" d={areaOf(values, max)} />
      </svg>
    </figure>
  );
}

/** Returns steps, one for each value; where there is none, a gap. */
function areaOf(values: readonly (number | undefined)[], max: number): string {
  const step = width / values.length;
  let path = `M0 ${height}`;
  let above = 0;
  for (const [index, value = 0] of values.entries()) {
    const top = max === 0 ? 0 : Math.round((height - 1) * (value / max) * 10) / 10;
    if (top !== above) path += `H${index * step}V${height - top}`;
    above = top;
  }
  return `${path}H${width}V${height}Z`;
}
