// Finds the end of a JSON value in text that arrives in pieces. Checks brackets, strings and characters, not the whole grammar: what
// the model wrote wrong is the client's to see.
import type { Scan } from './text-reader.ts';

const VALUE_CHARACTER = /[\s\w.+\-:,]/u;
const CLOSING: Readonly<Record<string, string>> = { '{': '}', '[': ']' };

/** What a value turned out to be; `broken`: what follows cannot belong to it. */
export interface JsonEnd {
  broken: boolean;
}

/** A scan of one value, which starts with the first character that it sees. `end` is written to. */
export function scanJsonValue(end: JsonEnd): Scan {
  const open: string[] = [];
  let inString = false;
  let escaped = false;
  let inScalar = false;
  /** True when the value ends before this character, or with it for `closes`. */
  const take = (character: string): 'goes on' | 'ends' | 'ended before' => {
    if (inString) {
      if (escaped) escaped = false;
      else if (character === '\\') escaped = true;
      else if (character === '"') inString = false;
      return !inString && open.length === 0 ? 'ends' : 'goes on';
    }
    if (inScalar && open.length === 0) return /[\w.+-]/u.test(character) ? 'goes on' : 'ended before';
    if (character === '"') inString = true;
    else if (character === '{' || character === '[') open.push(CLOSING[character] ?? '');
    else if (character === '}' || character === ']') {
      if (open.pop() !== character) return breakOff();
      return open.length === 0 ? 'ends' : 'goes on';
    } else if (!VALUE_CHARACTER.test(character)) return breakOff();
    else if (open.length === 0) inScalar = true;
    return 'goes on';
  };
  const breakOff = (): 'ended before' => {
    end.broken = true;
    return 'ended before';
  };
  return (text) => {
    for (let at = 0; at < text.length; at += 1) {
      const fate = take(text.charAt(at));
      if (fate !== 'goes on') return { used: fate === 'ends' ? at + 1 : at, done: true };
    }
    return { used: text.length, done: false };
  };
}
