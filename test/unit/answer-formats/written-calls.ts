// Calls as families of models write them, by their published chat templates: what the readers are tested on.

export interface WrittenCall {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

type Write = (calls: readonly WrittenCall[]) => string;

/** json.dumps' spacing. */
export function dumps(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(dumps).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, each]) => `${JSON.stringify(key)}: ${dumps(each)}`)
    .join(', ')}}`;
}

const bare = (value: unknown): string => (typeof value === 'string' ? value : dumps(value));
const object = (key: string) => (call: WrittenCall) => `{"name": "${call.name}", "${key}": ${dumps(call.arguments)}}`;
const parametersOf = (call: WrittenCall, write: (key: string, value: string) => string) =>
  Object.entries(call.arguments)
    .map(([key, value]) => write(key, bare(value)))
    .join('');

function python(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(python).join(', ')}]`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object' || value === null) {
    return value === null ? 'None' : String(value).replace(/^[tf]/, (first) => first.toUpperCase());
  }
  return `{${Object.entries(value)
    .map(([key, each]) => `${JSON.stringify(key)}: ${python(each)}`)
    .join(', ')}}`;
}

const deepseek = (call: (call: WrittenCall) => string): Write => {
  return (calls) =>
    `<｜tool▁calls▁begin｜>${calls.map((each) => `<｜tool▁call▁begin｜>${call(each)}<｜tool▁call▁end｜>`).join('')}<｜tool▁calls▁end｜>`;
};

export const WRITTEN: Readonly<Record<string, Write>> = {
  hermes: (calls) => calls.map((call) => `<tool_call>\n${object('arguments')(call)}\n</tool_call>`).join('\n'),
  qwen_xml: (calls) =>
    calls
      .map((call) => {
        const parameters = parametersOf(call, (key, value) => `<parameter=${key}>\n${value}\n</parameter>\n`);
        return `<tool_call>\n<function=${call.name}>\n${parameters}</function>\n</tool_call>`;
      })
      .join('\n'),
  glm: (calls) =>
    calls
      .map((call) => {
        const write = (key: string, value: string) => `<arg_key>${key}</arg_key>\n<arg_value>${value}</arg_value>\n`;
        return `<tool_call>${call.name}\n${parametersOf(call, write)}</tool_call>`;
      })
      .join('\n'),
  minimax: (calls) =>
    `<minimax:tool_call>\n${calls
      .map((call) => {
        const write = (key: string, value: string) => `<parameter name="${key}">${value}</parameter>\n`;
        return `<invoke name="${call.name}">\n${parametersOf(call, write)}</invoke>\n`;
      })
      .join('')}</minimax:tool_call>`,
  deepseek_v31: deepseek((call) => `${call.name}<｜tool▁sep｜>${dumps(call.arguments)}`),
  deepseek_v3: deepseek((call) => `function<｜tool▁sep｜>${call.name}\n\`\`\`json\n${dumps(call.arguments)}\n\`\`\``),
  kimi: (calls) =>
    `<|tool_calls_section_begin|>${calls
      .map(
        (call, at) =>
          `<|tool_call_begin|>functions.${call.name}:${at}<|tool_call_argument_begin|>${dumps(call.arguments)}<|tool_call_end|>`,
      )
      .join('')}<|tool_calls_section_end|>`,
  mistral: (calls) => calls.map((call) => `[TOOL_CALLS]${call.name}[ARGS]${dumps(call.arguments)}`).join(''),
  mistral_list: (calls) => `[TOOL_CALLS][${calls.map(object('arguments')).join(', ')}]`,
  granite_list: (calls) => `<|tool_call|>[${calls.map(object('arguments')).join(', ')}]`,
  llama_json: (calls) => calls.map(object('parameters')).join('; '),
  pythonic: (calls) =>
    `<|tool_call_start|>[${calls
      .map((call) => {
        const given = Object.entries(call.arguments).map(([key, value]) => `${key}=${python(value)}`);
        return `${call.name}(${given.join(', ')})`;
      })
      .join(', ')}]<|tool_call_end|>`,
};
