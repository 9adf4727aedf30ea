// Tools of the Responses API -> functions that a model may call. Those of a namespace get its name before their own. Pure.
import type { ResponsesBody } from './responses-schema.ts';

type Tool = NonNullable<ResponsesBody['tools']>[number];
export type FunctionTool = Extract<Tool, { type: 'function' }>;

const SEPARATOR = '__';

export interface FunctionName {
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** The functions by the names that the model knows. */
export function functionTools(tools: readonly Tool[]): readonly FunctionTool[] {
  return tools.flatMap((tool) => {
    if (tool.type === 'function') return [tool];
    if (tool.type !== 'namespace') return [];
    return tool.tools.map((inner) => ({ ...inner, name: modelName({ namespace: tool.name, name: inner.name }) }));
  });
}

/** The name that the model knows. */
export function modelName({ namespace, name }: FunctionName): string {
  return namespace === undefined ? name : `${namespace}${SEPARATOR}${name}`;
}

/** The client's name for what the model calls. */
export function clientName(tools: readonly Tool[], called: string): FunctionName {
  const namespace = tools.find((tool) => tool.type === 'namespace' && called.startsWith(tool.name + SEPARATOR));
  if (namespace?.type !== 'namespace') return { name: called };
  return { namespace: namespace.name, name: called.slice(namespace.name.length + SEPARATOR.length) };
}
