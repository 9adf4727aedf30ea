// Values of `format` as regular expressions. Each matches part of what the format's RFC allows, and nothing else.
const YEAR = '\\d{4}';
const LEAP_YEAR = '(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)';
const DATE =
  `(?:${YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))` +
  `|${LEAP_YEAR}-02-29)`;
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)';

const DAYS = '(?:\\d{1,9}Y(?:\\d{1,9}M)?(?:\\d{1,9}D)?|\\d{1,9}M(?:\\d{1,9}D)?|\\d{1,9}D)';
const HOURS = 'T(?:\\d{1,9}H(?:\\d{1,9}M)?(?:\\d{1,9}S)?|\\d{1,9}M(?:\\d{1,9}S)?|\\d{1,9}S)';

const ATOM = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+";
const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,28}[a-zA-Z0-9])?';
/** Of any length, as in addresses. */
const NAME = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const HOST = `${LABEL}(?:\\.${LABEL}){0,7}`;

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = `${OCTET}(?:\\.${OCTET}){3}`;

const CHARACTER = "(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})";
const AUTHORITY = '(?:[a-zA-Z0-9._~-]|%[0-9a-fA-F]{2})+(?::\\d{1,5})?';
const URI =
  `[a-zA-Z][a-zA-Z0-9+.-]*:(?://${AUTHORITY}(?:/${CHARACTER}*)*|${CHARACTER}+(?:/${CHARACTER}*)*)` +
  `(?:\\?(?:${CHARACTER}|[/?])*)?(?:#(?:${CHARACTER}|[/?])*)?`;

export const FORMATS: ReadonlyMap<string, string> = new Map([
  ['date', DATE],
  ['time', TIME],
  ['date-time', `${DATE}T${TIME}`],
  ['duration', `P(?:${DAYS}(?:${HOURS})?|${HOURS}|\\d{1,9}W)`],
  ['email', `${ATOM}(?:\\.${ATOM})*@(?:${NAME}\\.)+${NAME}`],
  ['hostname', HOST],
  ['ipv4', IPV4],
  ['ipv6', ipv6()],
  ['uri', URI],
  ['uuid', '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'],
  ['json-pointer', '(?:/(?:[^~/]|~[01])*)*'],
]);

/** Eight groups, or fewer around one `::`. */
function ipv6(): string {
  const group = '[0-9a-fA-F]{1,4}';
  const short = Array.from({ length: 7 }, (_, before) => {
    const after = 6 - before;
    const head = before === 0 ? '' : `${group}(?::${group}){${before - 1}}`;
    return `${head}::${after === 0 ? '' : `(?:${group}(?::${group}){0,${after - 1}})?`}`;
  });
  return [`${group}(?::${group}){7}`, ...short, `${group}(?::${group}){6}::`].join('|');
}
