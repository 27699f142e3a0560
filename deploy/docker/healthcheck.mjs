/**
 * The image's health check: exits with 0 if the server in this container is ready, otherwise with 1. It uses the address in
 * the environment; if a settings file sets another one, set REGISTRY_HTTP_ADDR or REGISTRY_HTTP_DEBUG_ADDR to the same. The
 * latter speaks plain HTTP and needs no certificate, so its result is the most reliable.
 */
import { get as getPlain } from "node:http";
import { get as getSecure } from "node:https";

const { REGISTRY_HTTP_ADDR = ":5000", REGISTRY_HTTP_DEBUG_ADDR, REGISTRY_HTTP_TLS_CERTIFICATE } = process.env;
const address = REGISTRY_HTTP_DEBUG_ADDR || REGISTRY_HTTP_ADDR;
const colon = address.lastIndexOf(":");
const host = address.slice(0, colon).replace(/^\[|\]$/g, "") || "127.0.0.1";
const port = address.slice(colon + 1);
const get = REGISTRY_HTTP_TLS_CERTIFICATE && !REGISTRY_HTTP_DEBUG_ADDR ? getSecure : getPlain;

// The certificate has the name that clients use, and this is the same machine. A server that requires client certificates
// answers 403, and reveals nothing more without one.
get({ host, port, path: "/readyz", rejectUnauthorized: false }, async (answer) => {
  if (answer.statusCode < 500) process.exit(0);
  for await (const chunk of answer) process.stderr.write(chunk);
  process.exit(1);
}).on("error", ({ message }) => {
  console.error(message);
  process.exit(1);
});
