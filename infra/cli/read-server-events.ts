// Bytes of an event stream -> its events, for the command line. Follows the parts of the HTML standard's server-sent events
// that our gateway writes: one line for each field, lines ended by \n.

export interface ServerEvent {
  /** `message` by default; `comment` for a comment. */
  readonly type: string;
  readonly data: string;
}

/** The events of a body, as they arrive. */
export async function* readServerEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) yield parseEvent(block);
  }
}

function parseEvent(block: string): ServerEvent {
  if (block.startsWith(': ')) return { type: 'comment', data: block.slice(2) };
  const fields = new Map(block.split('\n').map((line) => splitField(line)));
  return { type: fields.get('event') ?? 'message', data: fields.get('data') ?? '' };
}

function splitField(line: string): [string, string] {
  const colon = line.indexOf(': ');
  return colon < 0 ? [line, ''] : [line.slice(0, colon), line.slice(colon + 2)];
}
