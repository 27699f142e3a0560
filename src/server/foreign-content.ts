/** Content of CNCF distribution in the place of a store: whoever has replaced it would find the registry empty. */

/** Where distribution keeps its content, below its root directory. */
export const distributionPath = "docker/registry/v2";

export function distributionWarning(place: string): string {
  return (
    `${place} has content of CNCF distribution (${distributionPath}), which this server does not serve; ` +
    "import it into another directory or storage.s3.rootdirectory with gantry import --from-distribution"
  );
}
