// A literal of Python, or of JSON, -> JSON text. Read whole: its text is rarely long.
import type { Routine, Scan, TextReader } from './text-reader.ts';

/** Null if it is cut off or no literal. */
export function* readPythonValue(input: TextReader): Routine<string | null> {
  let text = '';
  const complete = yield* input.scan(scanValue(), (piece) => {
    text += piece;
  });
  return complete ? toJson(text.trim()) : null;
}

/** Ends before a comma or a closing bracket that is not inside the value. */
function scanValue(): Scan {
  let depth = 0;
  let quote = '';
  let escaped = false;
  const ends = (character: string): boolean => {
    if (quote !== '') {
      if (escaped) escaped = false;
      else if (character === '\\') escaped = true;
      else if (character === quote) quote = '';
      return false;
    }
    if (character === '"' || character === "'") quote = character;
    else if ('[{('.includes(character)) depth += 1;
    else if (depth === 0) return ',)]}'.includes(character);
    else if (')]}'.includes(character)) depth -= 1;
    return false;
  };
  return (text) => {
    for (let at = 0; at < text.length; at += 1) if (ends(text.charAt(at))) return { used: at, done: true };
    return { used: text.length, done: false };
  };
}

const TOKEN = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\b(?:True|False|None)\b/gsu;
const WORDS: Readonly<Record<string, string>> = { True: 'true', False: 'false', None: 'null' };

function toJson(text: string): string | null {
  const json = text.replace(TOKEN, (token) => WORDS[token] ?? (token.startsWith("'") ? requoted(token) : token));
  try {
    JSON.parse(json);
    return json;
  } catch {
    return null;
  }
}

function requoted(token: string): string {
  const inner = token
    .slice(1, -1)
    .replaceAll("\\'", "'")
    .replace(/(?<!\\)"/gu, '\\"');
  return `"${inner}"`;
}
