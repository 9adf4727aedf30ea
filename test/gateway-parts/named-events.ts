// The events of a stream whose events have names.
export interface NamedEvent {
  readonly event: string;
  readonly data: { readonly [field: string]: unknown };
}

/** Comments are left out. */
export function namedEvents(text: string): NamedEvent[] {
  const blocks = text.split('\n\n').filter((block) => /^data: /m.test(block));
  return blocks.map((block) => ({
    event: /^event: (.*)$/m.exec(block)?.[1] ?? '',
    data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? ''),
  }));
}
