/** One colour for each contender, the same in every plot, distinguishable for people who cannot tell red from green. */

const colors: Readonly<Record<string, string>> = {
  gantry: "#0072b2",
  "gantry-relaxed": "#56b4e9",
  "gantry-logging": "#56b4e9",
  "gantry-login": "#56b4e9",
  "docker-registry": "#e69f00",
  "distribution-3": "#d55e00",
  zot: "#cc79a7",
  angos: "#f0e442",
  nginx: "#009e73",
  "push-limit": "#555555",
  "get-limit": "#555555",
};

export function colorOf(contender: string): string {
  return colors[contender] ?? "#999999";
}
