// The tools of a body -> ToolUse. The older `functions` are tools of which an answer may call one. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { JsonObject, ToolChoice, ToolDefinition, ToolUse } from '../conversation/conversation.ts';
import type { ToolFields } from './tool-schema.ts';

/** What the fields of a body ask for. */
export interface RequestedTools extends ToolUse {
  /** They were given as `functions`. */
  readonly legacyFunctions: boolean;
  /** Where the schema of a tool's arguments is in the body. */
  readonly schemaPath: (tool: number) => string;
}

const NO_ARGUMENTS: JsonObject = { type: 'object', properties: {} };

/** @throws DomainError `invalid_request` for tools of one name, a choice of what is not there, and both forms at once. */
export function readTools(body: ToolFields): RequestedTools {
  const legacyFunctions = (body.functions?.length ?? 0) > 0;
  if (legacyFunctions && (body.tools?.length ?? 0) > 0) {
    throw invalid('functions', "it cannot be combined with 'tools', its newer form");
  }
  const tools = legacyFunctions ? (body.functions ?? []).map(definitionOf) : toolsOf(body);
  const schemaPath = (at: number) =>
    legacyFunctions ? `functions[${at}].parameters` : `tools[${at}].function.parameters`;
  refuseOtherTypes(tools, schemaPath);
  refuseRepeatedNames(tools, legacyFunctions ? (at) => `functions[${at}].name` : (at) => `tools[${at}].function.name`);
  return {
    tools,
    choice: legacyFunctions ? functionChoice(body, tools) : toolChoice(body, tools),
    parallel: !legacyFunctions && (body.parallel_tool_calls ?? true),
    legacyFunctions,
    schemaPath,
  };
}

function toolsOf({ tools }: ToolFields): readonly ToolDefinition[] {
  return (tools ?? []).map((tool) => definitionOf(tool.function));
}

function definitionOf(declared: NonNullable<ToolFields['tools']>[number]['function']): ToolDefinition {
  const { name, description, parameters, strict } = declared;
  const schema = parameters ?? {};
  return {
    name,
    description: description ?? '',
    parameters: Object.keys(schema).length === 0 ? NO_ARGUMENTS : schema,
    strict: strict ?? false,
  };
}

/** Arguments are an object, whatever else a schema says of them. */
function refuseOtherTypes(tools: readonly ToolDefinition[], pathOf: (at: number) => string): void {
  const at = tools.findIndex(({ parameters: { type } }) => type !== undefined && type !== 'object');
  if (at !== -1) throw invalid(`${pathOf(at)}.type`, "expected 'object'");
}

function refuseRepeatedNames(tools: readonly ToolDefinition[], pathOf: (at: number) => string): void {
  const seen = new Set<string>();
  for (const [at, { name }] of tools.entries()) {
    if (seen.has(name)) throw invalid(pathOf(at), `expected names that differ, but '${name}' is there twice`);
    seen.add(name);
  }
}

function toolChoice({ tool_choice: choice }: ToolFields, tools: readonly ToolDefinition[]): ToolChoice {
  if (choice === 'none') return { kind: 'none' };
  const names = tools.map(({ name }) => name);
  if (choice === undefined || choice === null || choice === 'auto') return autoChoice(names);
  if (names.length === 0) throw invalid('tool_choice', "it requires 'tools'");
  if (choice === 'required') return { kind: 'required', names };
  if (choice.type === 'function') {
    return { kind: 'required', names: [known(choice.function.name, names, 'tool_choice.function.name')] };
  }
  const { mode, tools: allowed } = choice.allowed_tools;
  const path = (at: number) => `tool_choice.allowed_tools.tools[${at}].function.name`;
  return { kind: mode, names: allowed.map((tool, at) => known(tool.function.name, names, path(at))) };
}

function functionChoice({ function_call: choice }: ToolFields, tools: readonly ToolDefinition[]): ToolChoice {
  const names = tools.map(({ name }) => name);
  if (choice === 'none') return { kind: 'none' };
  if (choice === undefined || choice === null || choice === 'auto') return autoChoice(names);
  return { kind: 'required', names: [known(choice.name, names, 'function_call.name')] };
}

function autoChoice(names: readonly string[]): ToolChoice {
  return names.length === 0 ? { kind: 'none' } : { kind: 'auto', names };
}

function known(name: string, names: readonly string[], param: string): string {
  if (names.includes(name)) return name;
  throw invalid(param, `expected the name of a tool of this request, but '${name}' is not one`);
}

function invalid(param: string, what: string): DomainError {
  return new DomainError('invalid_request', `Invalid '${param}': ${what}.`, { param });
}
