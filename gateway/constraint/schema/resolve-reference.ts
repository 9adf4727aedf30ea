// `$ref` inside one document: JSON pointers and anchors.
import { isFields } from './read-keywords.ts';
import { SchemaFault, within } from './schema-fault.ts';
import type { Located } from './shapes.ts';

export class SchemaDocument {
  readonly root: Located;
  readonly #anchors = new Map<string, Located>();

  /** `mostNodes` bounds what is looked through. @throws SchemaFault when there is more */
  constructor(schema: unknown, path: string, mostNodes: number) {
    this.root = { schema, path };
    this.#findAnchors(mostNodes);
  }

  /** What a reference at `path` refers to. @throws SchemaFault */
  resolve(reference: string, path: string): Located {
    const own = isFields(this.root.schema) ? this.root.schema['$id'] : undefined;
    const local = typeof own === 'string' && reference.startsWith(own) ? reference.slice(own.length) : reference;
    if (local === '' || local === '#') return this.root;
    const found = local.startsWith('#/') ? this.#follow(local.slice(2)) : this.#anchors.get(local);
    if (found !== undefined) return found;
    const why = local.startsWith('#')
      ? 'refers to nothing in this schema'
      : 'refers to another document, which is not fetched';
    throw new SchemaFault(path, why);
  }

  #follow(pointer: string): Located | undefined {
    let { schema, path } = this.root;
    for (const token of pointer.split('/')) {
      const step = unescapeToken(token);
      if (step === null || typeof schema !== 'object' || schema === null || !Object.hasOwn(schema, step))
        return undefined;
      path = within(path, Array.isArray(schema) ? Number(step) : step);
      schema = (schema as Readonly<Record<string, unknown>>)[step];
    }
    return { schema, path };
  }

  #findAnchors(mostNodes: number): void {
    const waiting = [this.root];
    for (let count = 0; count < waiting.length; count += 1) {
      const { schema, path } = waiting[count] as Located;
      if (count > mostNodes) throw new SchemaFault(this.root.path, `the schema has more than ${mostNodes} parts`);
      if (typeof schema !== 'object' || schema === null) continue;
      for (const [key, value] of Object.entries(schema)) {
        if (key === '$anchor' && typeof value === 'string') this.#anchors.set(`#${value}`, { schema, path });
        if (typeof value === 'object')
          waiting.push({ schema: value, path: within(path, Array.isArray(schema) ? Number(key) : key) });
      }
    }
  }
}

function unescapeToken(token: string): string | null {
  try {
    return decodeURIComponent(token).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return null;
  }
}
