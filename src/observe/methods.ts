/** Methods that are told by their names. All others are one: clients can make up as many as there are words. */
export const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]);
