/** Methods with their own label. All others share one, because clients can invent any number. */
export const methods: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]);
