// Numbers as a constraint writes them: which texts lie between bounds and are multiples of something. No text has more digits than
// a double can read without becoming infinite. Bounds are inclusive doubles: since reading rounds monotonically, a text up to the
// shortest text of a double is read as at most that double.
import { PatternFault, parsePattern } from '../pattern-syntax.ts';
import { intersect, patternAutomaton, type TextAutomaton, type TextState } from '../text-automaton.ts';

export interface NumberShape {
  readonly integer: boolean;
  readonly least: number;
  readonly most: number;
  readonly multiples: readonly number[];
}

/** JavaScript writes larger numbers with an exponent. */
const LARGEST = 1e21;
const INTEGER_DIGITS = 21;
const FRACTION_DIGITS = 24;
/** Decimal texts of up to 15 digits are exact enough to divide. */
const EXACT_DIGITS = 15;
const FRACTION = `(?:\\.\\d{1,${FRACTION_DIGITS}})?`;

const UNBOUNDED =
  `-?[1-9]\\d{0,${INTEGER_DIGITS - 1}}${FRACTION}|0|-?0\\.\\d{1,${FRACTION_DIGITS}}|` +
  '-?[1-9](?:\\.\\d{1,20})?[eE](?:\\+?(?:\\d|[1-9]\\d|[12]\\d\\d|30[0-7])|-(?:\\d|[1-9]\\d|[12]\\d\\d|30[0-7]))';

/** Automata of shapes that were asked for before: schemas have few kinds of numbers. */
const known = new Map<string, TextAutomaton>();
const MOST_KNOWN = 256;

/** The same for shapes of the same numbers. */
export function numberKey({ integer, least, most, multiples }: NumberShape): string {
  return `${integer} ${least} ${most} ${multiples.join()}`;
}

/** Texts of the numbers of a shape; an automaton without states if there are none. @throws PatternFault */
export function numberAutomaton(shape: NumberShape): TextAutomaton {
  const key = numberKey(shape);
  const automaton = known.get(key) ?? buildNumbers(shape);
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, automaton);
  return automaton;
}

function buildNumbers(shape: NumberShape): TextAutomaton {
  const limits = shape.multiples.map((multiple) => 10 ** (EXACT_DIGITS - decimalPlaces(multiple)) - 1);
  const limit = Math.min(Number.POSITIVE_INFINITY, ...limits);
  const within = { ...shape, least: Math.max(shape.least, -limit), most: Math.min(shape.most, limit) };
  const isWhole = shape.integer || shape.multiples.some(Number.isInteger);
  const isCut = within.least !== -limit || within.most !== limit;
  const bounded = isWhole ? integers(within) : isCut ? decimals(within) : build(shortDecimals(limit));
  return shape.multiples.reduce((texts, multiple) => intersect(texts, multiplesOf(multiple)), bounded);
}

/** All numbers of as many digits as `limit`, all of them nines, has before the point. */
function shortDecimals(limit: number): string {
  if (limit === Number.POSITIVE_INFINITY) return UNBOUNDED;
  return `-?(?:0|[1-9]\\d{0,${String(limit).length - 1}})${FRACTION}`;
}

function build(source: string | null): TextAutomaton {
  return source === null ? [] : patternAutomaton(parsePattern(source), false);
}

function integers({ least, most }: NumberShape): TextAutomaton {
  const limit = 10n ** BigInt(INTEGER_DIGITS) - 1n;
  const [low, high] = [toBound(Math.ceil(least), -limit), toBound(Math.floor(most), limit)];
  if (low > high) return [];
  const positive = high >= 0n ? integerRange(low > 0n ? low : 0n, high) : null;
  const negative = low < 0n ? integerRange(high < 0n ? -high : 1n, -low) : null;
  return build(join(positive, negative));
}

function toBound(bound: number, otherwise: bigint): bigint {
  if (Math.abs(bound) < LARGEST) return BigInt(bound);
  if (bound < 0 === otherwise < 0n) return otherwise;
  throw new PatternFault('bounds must lie below 1e21 in size');
}

function join(positive: string | null, negative: string | null): string | null {
  if (negative === null) return positive;
  return positive === null ? `-(?:${negative})` : `${positive}|-(?:${negative})`;
}

/** Whole numbers from `low` >= 0 to `high`, by their number of digits. */
function integerRange(low: bigint, high: bigint): string | null {
  if (low > high) return null;
  const [shortest, longest] = [low.toString().length, high.toString().length];
  if (shortest === longest) return sameLength(low.toString(), high.toString());
  const first = sameLength(low.toString(), '9'.repeat(shortest));
  const last = sameLength(`1${'0'.repeat(longest - 1)}`, high.toString());
  const between = longest - shortest > 1 ? [`[1-9]\\d{${shortest},${longest - 2}}`] : [];
  return [first, ...between, last].join('|');
}

/** Digit texts of one length, from `low` to `high`. */
function sameLength(low: string, high: string): string {
  let shared = 0;
  while (shared < low.length && low[shared] === high[shared]) shared += 1;
  const prefix = low.slice(0, shared);
  if (shared === low.length) return prefix;
  const [first, last] = [Number(low[shared]), Number(high[shared])];
  const [lowTail, highTail] = [low.slice(shared + 1), high.slice(shared + 1)];
  // Where a bound cuts nothing off, its first digit is one like those between.
  const from = /^0*$/.test(lowTail) ? first : first + 1;
  const to = /^9*$/.test(highTail) ? last : last - 1;
  const parts = [
    ...(from > first ? above(lowTail).map((tail) => `${first}${tail}`) : []),
    ...(from <= to ? [`${digits(from, to)}${anyDigits(lowTail.length)}`] : []),
    ...(to < last ? below(highTail).map((tail) => `${last}${tail}`) : []),
  ];
  return `${prefix}(?:${parts.join('|')})`;
}

/** Digit texts as long as `low` and not below it, as alternatives. */
function above(low: string): readonly string[] {
  const greater = [...low].flatMap((digit, at) => {
    const tail = anyDigits(low.length - at - 1);
    return digit === '9' ? [] : [`${low.slice(0, at)}${digits(Number(digit) + 1, 9)}${tail}`];
  });
  return [low, ...greater];
}

function below(high: string): readonly string[] {
  const smaller = [...high].flatMap((digit, at) => {
    const tail = anyDigits(high.length - at - 1);
    return digit === '0' ? [] : [`${high.slice(0, at)}${digits(0, Number(digit) - 1)}${tail}`];
  });
  return [high, ...smaller];
}

function digits(first: number, last: number): string {
  return `[${first}-${last}]`;
}

function anyDigits(count: number): string {
  return count === 0 ? '' : `\\d{${count}}`;
}

function decimals({ least, most }: NumberShape): TextAutomaton {
  if (least === Number.NEGATIVE_INFINITY && most === Number.POSITIVE_INFINITY) return build(UNBOUNDED);
  if (least > most || least >= LARGEST || most <= -LARGEST) return refuseOrNone(least, most);
  const positive = most >= 0 ? sized(Math.max(least, 0), most) : [];
  const negative = least < 0 ? sized(Math.max(-most, 0), -least) : [];
  return unite(positive, negative);
}

function refuseOrNone(least: number, most: number): TextAutomaton {
  if (least > most) return [];
  throw new PatternFault('bounds must lie below 1e21 in size');
}

/** Texts without a sign, of numbers from `low` >= 0 to `high`. */
function sized(low: number, high: number): TextAutomaton {
  const floor = low <= 0 ? null : build(notBelow(plainText(low, true)));
  const ceiling = build(
    high >= LARGEST ? `(?:0|[1-9]\\d{0,${INTEGER_DIGITS - 1}})${FRACTION}` : notAbove(plainText(high, false)),
  );
  return floor === null ? ceiling : intersect(floor, ceiling);
}

/** Behind an optional minus sign. */
function unite(positive: TextAutomaton, negative: TextAutomaton): TextAutomaton {
  const MINUS = 0x2d;
  const first = positive[0] ?? { accepts: false, edges: [] };
  const shift = 1;
  const behind = shift + positive.length;
  const moved = (automaton: TextAutomaton, by: number): TextState[] =>
    automaton.map(({ accepts, edges }) => ({ accepts, edges: edges.map((edge) => ({ ...edge, to: edge.to + by })) }));
  const own = first.edges.map((edge) => ({ ...edge, to: edge.to + shift }));
  const minus = negative.length === 0 ? [] : [{ first: MINUS, last: MINUS, to: behind }];
  if (positive.length + negative.length === 0) return [];
  return [{ accepts: false, edges: [...minus, ...own] }, ...moved(positive, shift), ...moved(negative, behind)];
}

interface PlainText {
  readonly whole: bigint;
  /** Without zeros at the end. */
  readonly fraction: string;
}

/** A number >= 0 in digits alone, cut to the digits that texts may have: up or down. */
function plainText(value: number, up: boolean): PlainText {
  const [, one = '0', more = '', exponent = '0'] = /^(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(value.toExponential()) ?? [];
  const point = 1 + Number(exponent);
  const all = `${one}${more}`;
  const padded = point <= 0 ? `${'0'.repeat(-point)}${all}` : all.padEnd(point, '0');
  const split = Math.max(point, 0);
  const fraction = padded.slice(split);
  const cut = fraction.slice(0, FRACTION_DIGITS);
  const scaled =
    BigInt(`${padded.slice(0, split)}${cut.padEnd(FRACTION_DIGITS, '0')}`) +
    (up && /[1-9]/.test(fraction.slice(FRACTION_DIGITS)) ? 1n : 0n);
  const unit = 10n ** BigInt(FRACTION_DIGITS);
  return {
    whole: scaled / unit,
    fraction: (scaled % unit).toString().padStart(FRACTION_DIGITS, '0').replace(/0+$/, ''),
  };
}

function notAbove({ whole, fraction }: PlainText): string {
  const smaller = whole > 0n ? [`(?:${integerRange(0n, whole - 1n)})${FRACTION}`] : [];
  const zeros = FRACTION_DIGITS - fraction.length;
  const equal = [...fraction].flatMap((digit, at) => {
    const left = FRACTION_DIGITS - at - 1;
    const ends = at === 0 ? [] : [`${whole}\\.${fraction.slice(0, at)}`];
    return digit === '0'
      ? ends
      : [...ends, `${whole}\\.${fraction.slice(0, at)}${digits(0, Number(digit) - 1)}\\d{0,${left}}`];
  });
  const whole0 = `${whole}(?:\\.0{1,${FRACTION_DIGITS}})?`;
  const exact = fraction === '' ? [] : [`${whole}\\.${fraction}0{0,${zeros}}`];
  return [...smaller, whole0, ...equal, ...exact].join('|');
}

function notBelow({ whole, fraction }: PlainText): string {
  const larger = `(?:${integerRange(whole + 1n, 10n ** BigInt(INTEGER_DIGITS) - 1n)})${FRACTION}`;
  if (fraction === '') return `${whole}${FRACTION}|${larger}`;
  const greater = [...fraction].flatMap((digit, at) => {
    const left = FRACTION_DIGITS - at - 1;
    return digit === '9' ? [] : [`${whole}\\.${fraction.slice(0, at)}${digits(Number(digit) + 1, 9)}\\d{0,${left}}`];
  });
  return [`${whole}\\.${fraction}\\d{0,${FRACTION_DIGITS - fraction.length}}`, ...greater, larger].join('|');
}

const MOST_REMAINDERS = 2_000;

function decimalPlaces(multiple: number): number {
  return plainText(multiple, false).fraction.length;
}

/** Texts of multiples of `multiple`, without exponents: remainders, digit by digit. */
function multiplesOf(multiple: number): TextAutomaton {
  const { whole, fraction } = plainText(multiple, false);
  const places = fraction.length;
  const step = Number(whole) * 10 ** places + Number(fraction === '' ? '0' : fraction);
  if (!Number.isSafeInteger(step) || step === 0 || step * (places + 1) > MOST_REMAINDERS) {
    throw new PatternFault(`multiples of ${multiple} need too many states`);
  }
  return new Multiples(step, places).automaton();
}

/** States: the start, behind a minus sign, behind a leading zero, then by decimal places, digits so far and remainder. */
class Multiples {
  readonly #step: number;
  readonly #places: number;
  readonly #states: TextState[] = [];
  readonly #ids = new Map<string, number>();
  readonly #keys: string[] = [];

  constructor(step: number, places: number) {
    this.#step = step;
    this.#places = places;
  }

  automaton(): TextAutomaton {
    const start = this.#id('start');
    for (let at = start; at < this.#keys.length; at += 1) this.#states[at] = this.#expand(this.#keys[at] ?? '');
    return this.#states;
  }

  #id(key: string): number {
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    this.#ids.set(key, this.#keys.length);
    return this.#keys.push(key) - 1;
  }

  #expand(key: string): TextState {
    if (key === 'start') return this.#leading(true);
    if (key === 'minus') return this.#leading(false);
    const [kind = '', at = '0', remainder = '0'] = key.split(' ');
    const place = Number(at);
    const point = kind === 'whole' || kind === 'zero' ? this.#point(place, Number(remainder)) : [];
    const more = kind === 'zero' ? [] : this.#digits(kind, place, Number(remainder));
    const rest = (Number(remainder) * 10 ** (this.#places - place)) % this.#step;
    return { accepts: kind !== 'point' && rest === 0, edges: [...point, ...more] };
  }

  #leading(signed: boolean) {
    const minus = signed ? [edge('-', this.#id('minus'))] : [];
    const zero = edge('0', this.#id('zero 0 0'));
    return { accepts: false, edges: [...minus, zero, ...this.#digits('whole', 0, 0).slice(1)] };
  }

  #point(place: number, remainder: number) {
    return this.#places === 0 ? [] : [edge('.', this.#id(`point ${place} ${remainder}`))];
  }

  #digits(kind: string, place: number, remainder: number) {
    const fractional = kind === 'point' || kind === 'fraction';
    if (fractional && place === this.#places) return [];
    const [name, next] = fractional ? ['fraction', place + 1] : ['whole', place];
    return Array.from({ length: 10 }, (_, digit) => {
      const to = (remainder * 10 + digit) % this.#step;
      return edge(String(digit), this.#id(`${name} ${next} ${to}`));
    });
  }
}

function edge(character: string, to: number) {
  const code = character.charCodeAt(0);
  return { first: code, last: code, to };
}
