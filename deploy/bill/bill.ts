/**
 * The bill of materials of an installed Gantry, in CycloneDX: as npm generates it from the lock file, without development
 * packages, and with npm's errors corrected.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

export interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  /** Each has an SPDX identifier, or an expression of them. */
  readonly licenses?: readonly { license?: { id?: string; name?: string }; expression?: string }[];
  readonly purl: string;
}

export interface Bill {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string }[];
}

/** Licences by package, each with the reason why it differs from the package's own statement. */
const licenses: Readonly<Record<string, string>> = {
  // The packager states ISC; its LICENSE file is that of the authors.
  "uWebSockets.js": "Apache-2.0",
};

/** Call it in the folder with the lock file. Rejects if npm fails. */
export async function readBill(): Promise<Bill> {
  const format = ["--sbom-format", "cyclonedx", "--sbom-type", "application"];
  const { stdout } = await promisify(execFile)("npm", ["sbom", ...format, "--package-lock-only"], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const bill = JSON.parse(stdout) as Bill;
  const { component: own } = bill.metadata;
  const names = await installedNames();
  const components = bill.components.filter(({ name, version }) => names.has(`${name}@${version}`));
  const refs = new Set([own, ...components].map((component) => component["bom-ref"]));
  return {
    ...bill,
    // npm uses the folder's name.
    metadata: { ...bill.metadata, component: { ...own, name: "gantry" } },
    components: components.map((component) => {
      const id = licenses[component.name];
      return id === undefined ? component : { ...component, licenses: [{ license: { id } }] };
    }),
    dependencies: bill.dependencies.filter(({ ref }) => refs.has(ref)),
  };
}

interface Locked {
  readonly version: string;
  readonly dev?: boolean;
}

/** Returns the run-time packages. npm's own `--omit dev` also omits packages that a development tool shares with Gantry. */
async function installedNames(): Promise<ReadonlySet<string>> {
  const lock = JSON.parse(await readFile("package-lock.json", "utf8")) as {
    packages: Record<string, Locked>;
  };
  const entries = Object.entries(lock.packages).filter(([path, { dev }]) => path !== "" && dev !== true);
  return new Set(
    entries.map(([path, { version }]) => `${path.slice(path.lastIndexOf("node_modules/") + 13)}@${version}`),
  );
}
