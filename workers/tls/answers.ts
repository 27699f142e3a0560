/** Responses sent before a request reaches the registry. They end the connection. */

function answer(status: string, type: string, body: string): string {
  const head = [
    `HTTP/1.1 ${status}`,
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

/** The response to a client that does not speak TLS. */
export const tlsWanted = answer("400 Bad Request", "text/plain", "This port speaks HTTPS only.\n");

/** Returns the response to a client without a trusted certificate, in the error format of the distribution specification. */
export function certificateRefused(reason: string): string {
  const message = `a valid client certificate is required: ${reason}`;
  return answer(
    "403 Forbidden",
    "application/json",
    `${JSON.stringify({ errors: [{ code: "DENIED", message }] })}\n`,
  );
}
