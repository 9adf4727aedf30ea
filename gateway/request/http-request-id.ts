// Ids of HTTP requests: the gateway's, sent as x-request-id and written to every log line, and the client's, which is logged too.

/** Longer ones are not kept; OpenAI's bound. */
const CLIENT_ID = /^[\x21-\x7e]{1,512}$/;

/** A fresh id; `random(n)` gives n unpredictable bytes. */
export function makeHttpRequestId(random: (size: number) => Uint8Array): string {
  return `req_${Buffer.from(random(12)).toString('hex')}`;
}

/** What the client, or a proxy before us, calls the request; undefined when it has no name fit for a log. */
export function readClientRequestId(header: (name: string) => string | undefined): string | undefined {
  const id = header('x-client-request-id') ?? header('x-request-id');
  return id !== undefined && CLIENT_ID.test(id) ? id : undefined;
}
