// A conversation as every chat API translates it: messages with calls, their results and reasoning, the tools that may be called,
// and how the answer begins. Chat templates are given this in OpenAI's shape (template-input.ts).

export type MessageContent = string | readonly { readonly type: 'text'; readonly text: string }[];

/** One message of a conversation. */
export type ChatMessage =
  | {
      readonly role: 'system' | 'user';
      readonly content: MessageContent;
      /** Name of the speaker, for chat templates that render it. */
      readonly name?: string;
    }
  | {
      readonly role: 'assistant';
      /** Empty where the message consists of calls. */
      readonly content: MessageContent;
      readonly name?: string;
      /** What the model thought before this answer. */
      readonly reasoning?: string;
      /** Not empty where it is set. */
      readonly toolCalls?: readonly ToolCall[];
    }
  | {
      readonly role: 'tool';
      readonly content: MessageContent;
      readonly toolCallId: string;
      /** The tool's name. */
      readonly name: string;
    };

/** A call that the model made. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text of an object; what the model wrote, so a cut answer may have left only a part of it. */
  readonly arguments: string;
}

export type JsonObject = Readonly<Record<string, unknown>>;

export interface ToolDefinition {
  readonly name: string;
  /** '' if there is none. */
  readonly description: string;
  /** JSON Schema of the arguments; one of an object without properties if the client gave none. */
  readonly parameters: JsonObject;
  /** The arguments must fit the schema, not just be JSON. */
  readonly strict: boolean;
}

/** Which tools the answer may or must call. */
export type ToolChoice =
  | { readonly kind: 'none' }
  /** `names`: the tools that it may call. */
  | { readonly kind: 'auto'; readonly names: readonly string[] }
  /** It calls at least one of `names`. */
  | { readonly kind: 'required'; readonly names: readonly string[] };

/** The tools of a request. */
export interface ToolUse {
  readonly tools: readonly ToolDefinition[];
  readonly choice: ToolChoice;
  /** Whether one answer may make several calls. */
  readonly parallel: boolean;
}

/** What a chat template renders. */
export interface Conversation {
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly ToolDefinition[];
  /** Where the prompt ends: at the start of the answer, inside the last message, or behind it. */
  readonly ending: 'answer' | 'open_message' | 'closed';
  /** More variables of the template, such as `enable_thinking`. */
  readonly variables: JsonObject;
}

/** A conversation without tools that an answer follows. */
export function plainConversation(messages: readonly ChatMessage[]): Conversation {
  return { messages, tools: [], ending: 'answer', variables: {} };
}
