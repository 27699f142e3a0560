/**
 * `Remote.verify` as a program, for a registry that can be reached from another machine's network only. Whom to
 * trust says NODE_EXTRA_CA_CERTS, what to log in with AUTHORIZATION. Prints the manifest's digest.
 */
import { Remote } from "./verify.js";

const [url = "", repository = "", reference = ""] = process.argv.slice(2);
const { AUTHORIZATION: authorization } = process.env;
const remote = new Remote(url, repository, authorization === undefined ? {} : { authorization });
process.stdout.write((await remote.verify(reference)).digest);
