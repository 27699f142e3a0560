/**
 * `Remote.verify` as a program, for a registry that is reachable only from another machine's network. NODE_EXTRA_CA_CERTS
 * names the trusted CA, AUTHORIZATION the credentials. Prints the manifest's digest.
 */
import { Remote } from "./verify.js";

const [url = "", repository = "", reference = ""] = process.argv.slice(2);
const { AUTHORIZATION: authorization } = process.env;
const remote = new Remote(url, repository, authorization === undefined ? {} : { authorization });
process.stdout.write((await remote.verify(reference)).digest);
