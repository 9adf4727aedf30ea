// docs/fields.md: the fields of every API, made from the tables that the gateway itself uses.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { UNSERVED_MESSAGES_FIELDS } from '../../../../gateway/apis/messages/messages-fields.ts';
import { messagesSchema } from '../../../../gateway/apis/messages/messages-schema.ts';
import { UNSERVED_OLLAMA_FIELDS } from '../../../../gateway/apis/ollama/ollama-fields.ts';
import { ollamaChatSchema, ollamaGenerateSchema } from '../../../../gateway/apis/ollama/ollama-schema.ts';
import { UNSERVED_RESPONSES_FIELDS } from '../../../../gateway/apis/responses/responses-fields.ts';
import { responsesSchema } from '../../../../gateway/apis/responses/responses-schema.ts';
import { chatCompletionSchema } from '../../../../gateway/request/chat-completion-schema.ts';
import { completionSchema } from '../../../../gateway/request/completion-schema.ts';
import { UNSERVED_FIELDS, type UnservedField } from '../../../../gateway/request/unserved-fields.ts';
import { REPOSITORY_ROOT } from '../../../repository-root.ts';

const FILE = join(REPOSITORY_ROOT, 'docs', 'fields.md');
const COMMAND = 'CONCLAVE_TEST_WRITE_FIELDS=1 npm test -- apis/field-tables';

interface Api {
  readonly title: string;
  readonly served: object;
  readonly unserved: readonly UnservedField<string>[];
  /** The levels of its bodies, and what they are called here; '' is the body. */
  readonly levels: Readonly<Record<string, string>>;
}

const OPENAI = {
  message: 'messages[]',
  part: 'content[]',
  stream_options: 'stream_options',
  response_format: 'response_format',
};
const MESSAGES = { message: 'messages[]', block: 'content[]', tool: 'tools[]', tool_choice: 'tool_choice' };

const APIS: readonly Api[] = [
  {
    title: '/v1/chat/completions',
    served: chatCompletionSchema.shape,
    unserved: UNSERVED_FIELDS,
    levels: { chat: '', ...OPENAI },
  },
  { title: '/v1/completions', served: completionSchema.shape, unserved: UNSERVED_FIELDS, levels: { completion: '' } },
  {
    title: '/v1/messages',
    served: messagesSchema.shape,
    unserved: UNSERVED_MESSAGES_FIELDS,
    levels: { body: '', ...MESSAGES },
  },
  {
    title: '/v1/responses',
    served: responsesSchema.shape,
    unserved: UNSERVED_RESPONSES_FIELDS,
    levels: { body: '', item: 'input[]', part: 'content[]', tool: 'tools[]', text: 'text', reasoning: 'reasoning' },
  },
  {
    title: '/api/chat',
    served: ollamaChatSchema.shape,
    unserved: UNSERVED_OLLAMA_FIELDS,
    levels: { chat: '', message: 'messages[]', options: 'options' },
  },
  {
    title: '/api/generate',
    served: ollamaGenerateSchema.shape,
    unserved: UNSERVED_OLLAMA_FIELDS,
    levels: { generate: '', options: 'options' },
  },
];

function rowsOf({ unserved, levels }: Api): string[][] {
  return unserved.flatMap(({ levels: of, field, treatment, reason }) => {
    const places = of.flatMap((level) => (levels[level] === undefined ? [] : [levels[level]]));
    const names = places.map((place) => code(place === '' ? field : `${place}.${field}`));
    if (names.length === 0) return [];
    return [[names.join(', '), ...treatmentOf(treatment), reason]];
  });
}

function code(text: string): string {
  return `\`${text}\``;
}

function treatmentOf(treatment: UnservedField['treatment']): [string, string] {
  if (treatment.kind === 'hint') return ['taken', ''];
  const list = (values: readonly unknown[]) => values.map((value) => code(JSON.stringify(value))).join(', ');
  return treatment.kind === 'refused' ? ['refused', list(treatment.idle)] : [`refused: ${list(treatment.values)}`, ''];
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const [head = [], ...rest] = rows;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rest.map(line)].join('\n');
}

function page(): string {
  const sections = APIS.map((api) => {
    const served = Object.keys(api.served).map(code).join(', ');
    const rows = rowsOf(api);
    return `## ${api.title}\n\nServed: ${served}.\n\n${table([['Field', 'Treatment', 'Taken values', 'Reason'], ...rows])}\n`;
  });
  const head = `# Fields of each API

Made from the gateway's own tables by \`${COMMAND}\`. Served fields have the meaning that the API's own documentation
gives them; \`/openapi.json\` has their types and bounds. A field that is taken changes nothing. A refused one is a 400 that names it, except
with \`null\`, an empty list or object, or one of the values given. Any other field is a 400 that names it.
`;
  return `${head}\n${sections.join('\n')}`;
}

test('docs/fields.md is what the tables say', () => {
  if (process.env['CONCLAVE_TEST_WRITE_FIELDS'] !== undefined) writeFileSync(FILE, page());
  assert.equal(readFileSync(FILE, 'utf8'), page(), `write it again: ${COMMAND}`);
});
