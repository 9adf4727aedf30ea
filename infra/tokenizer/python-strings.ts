// Strings of chat templates behave as in Python, for which templates are written. In JavaScript other characters are white space
// (U+FEFF is, U+001C to U+001F and U+0085 are not), and the template library's strip takes no characters and its capitalize leaves
// the rest as it is. Importing this module changes the library for the whole process.
import { Environment, Interpreter } from '@huggingface/jinja';

/** What Python's str.isspace is true for. */
const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const WORDS = new RegExp(`(?:(?!${SPACE})[^])+`, 'gu');
const LEADING_SPACE = new RegExp(`^${SPACE}+`, 'u');
/** Where Jinja's filter `title` begins a word. */
const WORD_BORDER = new RegExp(`((?:${SPACE}|[-({[<])+)`, 'u');

type Strip = (text: string, characters?: string | null) => string;

const lstrip: Strip = (text, characters) => text.slice(leading(text, isStripped(characters)));
const rstrip: Strip = (text, characters) => text.slice(0, text.length - trailing(text, isStripped(characters)));
const strip: Strip = (text, characters) => rstrip(lstrip(text, characters), characters);

function isStripped(characters: string | null | undefined): (character: string) => boolean {
  if (characters === undefined || characters === null) return (character) => LEADING_SPACE.test(character);
  const set = new Set(characters);
  return (character) => set.has(character);
}

function leading(text: string, strips: (character: string) => boolean): number {
  let size = 0;
  for (const character of text) {
    if (!strips(character)) break;
    size += character.length;
  }
  return size;
}

function trailing(text: string, strips: (character: string) => boolean): number {
  let size = 0;
  for (;;) {
    const character = lastCharacter(text, text.length - size);
    if (character === '' || !strips(character)) return size;
    size += character.length;
  }
}

function lastCharacter(text: string, end: number): string {
  const pair = text.slice(Math.max(0, end - 2), end);
  return (pair.codePointAt(0) ?? 0) > 0xffff ? pair : pair.slice(-1);
}

/** Python's str.split without a separator. */
function splitWords(text: string, most: number): string[] {
  const words: string[] = [];
  for (const { 0: word, index } of text.matchAll(WORDS)) {
    if (most >= 0 && words.length >= most) return [...words, text.slice(index)];
    words.push(word);
  }
  return words;
}

function split(text: string, separator: string | null | undefined, most: number): string[] {
  if (separator === null || separator === undefined) return splitWords(text, most);
  if (separator === '') throw new Error('empty separator');
  const parts = text.split(separator);
  return most < 0 || parts.length <= most ? parts : [...parts.slice(0, most), parts.slice(most).join(separator)];
}

/** Title case where it is not upper case: digraphs and Greek letters with iota. By the lower-case letter. */
const TITLES: ReadonlyMap<string, string> = new Map(
  Array.from({ length: 0x2000 }, (_, code) => String.fromCharCode(code))
    .filter((letter) => /\p{Lt}/u.test(letter))
    .map((letter) => [letter.toLowerCase(), letter]),
);

function titleCase(letter: string): string {
  // Georgian has capital letters for whole words only.
  if (/[\u10d0-\u10ff]/u.test(letter)) return letter;
  const [first = '', ...rest] = letter.toUpperCase();
  // U+0149 becomes an apostrophe and a capital letter.
  const tail = /\p{Lu}/u.test(first) ? rest.join('').toLowerCase() : rest.join('');
  return TITLES.get(letter.toLowerCase()) ?? `${first}${tail}`;
}

/** Python's str.capitalize. */
function capitalize(text: string): string {
  const [first = ''] = text;
  return `${titleCase(first)}${text.toLowerCase().slice(first.toLowerCase().length)}`;
}

/** Python's str.title. */
function title(text: string): string {
  return text.replace(/\p{Cased}+/gu, capitalize);
}

/** Jinja's filter `title`, which is not Python's method. */
function titleFilter(text: string): string {
  const word = ([first = '', ...rest]: string) => `${first.toUpperCase()}${rest.join('').toLowerCase()}`;
  return text.split(WORD_BORDER).map(word).join('');
}

type Arguments = readonly unknown[];
type Method = (text: string, given: Arguments) => string | string[];

/** The arguments of a call: those given by position, or by name in the last one. */
function argument<Value>(given: Arguments, at: number, name: string): Value | undefined {
  const last = given.at(-1);
  const named = last instanceof Map ? (last.get(name) as { readonly value: Value } | undefined)?.value : undefined;
  return named ?? (given[at] instanceof Map ? undefined : (given[at] as Value | undefined));
}

const METHODS: Readonly<Record<string, Method>> = {
  strip: (text, [characters]) => strip(text, characters as string | null),
  lstrip: (text, [characters]) => lstrip(text, characters as string | null),
  rstrip: (text, [characters]) => rstrip(text, characters as string | null),
  split: (text, given) => split(text, argument(given, 0, 'sep'), argument<number>(given, 1, 'maxsplit') ?? -1),
  capitalize,
  title,
};

const FILTERS: Readonly<Record<string, Method>> = {
  trim: (text, given) => strip(text, argument<string>(given, 0, 'chars')),
  title: titleFilter,
};

/** A value as the library has it while a template runs. */
interface RuntimeValue {
  readonly type: string;
  readonly value: unknown;
}

interface FilterNode {
  readonly value?: string;
  readonly callee?: { readonly value?: string };
  readonly args?: readonly unknown[];
}

interface FilterApplier {
  applyFilter(operand: RuntimeValue, filter: FilterNode, environment: Environment): RuntimeValue;
  evaluateArguments(args: readonly unknown[], environment: Environment): [RuntimeValue[], Map<string, RuntimeValue>];
}

const runtimeValue = (value: unknown): RuntimeValue => new Environment().set('value', value);

function replaceMethods(): void {
  const prototype: object = Object.getPrototypeOf(runtimeValue(''));
  const original = Object.getOwnPropertyDescriptor(prototype, 'builtins')?.get;
  if (original === undefined) throw new TypeError('@huggingface/jinja has no string methods to replace');
  const replaced = new WeakSet<object>();
  Object.defineProperty(prototype, 'builtins', {
    get(this: { readonly value: string }) {
      const methods: Map<string, RuntimeValue> = original.call(this);
      if (replaced.has(methods)) return methods;
      replaced.add(methods);
      for (const [name, method] of Object.entries(METHODS)) {
        methods.set(
          name,
          runtimeValue((...given: unknown[]) => method(this.value, given)),
        );
      }
      return methods;
    },
  });
}

function replaceFilters(): void {
  const prototype = Interpreter.prototype as unknown as FilterApplier;
  const original = prototype.applyFilter;
  prototype.applyFilter = function (operand, node, environment) {
    const name = node.callee?.value ?? node.value ?? '';
    const filter = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
    if (filter === undefined || operand.type !== 'StringValue') return original.call(this, operand, node, environment);
    const [positional, named] = this.evaluateArguments(node.args ?? [], environment);
    return runtimeValue(filter(String(operand.value), [...positional.map(({ value }) => value), named]));
  };
}

replaceMethods();
replaceFilters();
