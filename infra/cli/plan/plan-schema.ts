// Schema of the file of `conclave plan FILE`: every key with its unit and default. resolve-plan.ts interprets the values.
import { z } from 'zod';
import { POLICIES, TOPOLOGIES } from '../../../workers/plan/plan-cluster.ts';

const positive = z.number().positive();

/** Numbers of a machine that has no preset. */
const machineSchema = z.strictObject({
  /** Memory that Conclave may use; on a Mac three quarters of it unless iogpu.wired_limit_mb is raised. */
  memoryGigabytes: positive,
  /** Memory bandwidth of a node's threads. */
  gigabytesPerSecond: positive,
  /** What several nodes of one host read together; default: the same. */
  hostGigabytesPerSecond: positive.optional(),
  /** Of the weights' type. */
  teraflops: positive,
  dollars: z.number().min(0).default(0),
  watts: z.number().min(0).default(0),
});

const nodeSchema = z.strictObject({
  /** A preset's name, or its numbers. */
  machine: z.union([z.string().min(1), machineSchema]),
  count: z.int().min(1).max(256).default(1),
  /** Nodes with the same host share its memory bandwidth; default: each node has a machine of its own. */
  host: z.string().min(1).optional(),
});

const linkSchema = z.strictObject({
  /** One exchange between two nodes, without its bytes: `conclave bench hop`. */
  latencyMicroseconds: z.number().min(0),
  /** What each node beyond the second adds. */
  perNodeMicroseconds: z.number().min(0).default(0),
  gigabytesPerSecond: positive,
  /** Time of a step of several nodes, in addition to its layers. */
  stepMicroseconds: z.number().min(0).default(0),
});

const softwareSchema = z.strictObject({
  /** Time of a layer, in addition to memory, arithmetic and link. */
  layerMicroseconds: z.number().min(0).default(0),
  /** Time of a step, in addition to its layers. */
  stepMicroseconds: z.number().min(0).default(0),
});

const costSchema = z.strictObject({
  /** Over which the machines are paid. */
  years: positive.default(3),
  /** Part of that time in which they decode. */
  utilization: positive.max(1).default(0.3),
  dollarsPerKilowattHour: z.number().min(0).default(0.15),
});

const alternativeSchema = z.strictObject({
  name: z.string().min(1),
  dollars: positive,
  tokensPerSecond: positive,
});

export const planSchema = z.strictObject({
  /** A checkpoint's folder, or a family whose published model is meant, such as dbrx. */
  model: z.string().min(1),
  /** The first one leads. Absent: those of the running cluster. */
  nodes: z.array(nodeSchema).min(1).optional(),
  link: z.union([z.string().min(1), linkSchema]).default('10gbe'),
  topology: z.enum(['auto', ...TOPOLOGIES]).default('auto'),
  policy: z.enum(POLICIES).default('overlap'),
  /** Streams that decode at once. */
  streams: z.int().min(1).max(4096).default(1),
  /** Tokens of each stream's context. */
  context: z.int().min(1).default(2048),
  /** How unlike experts are popular where no router has been watched: 1 / rank ** skew; 0 is even. */
  skew: z.number().min(0).max(4).default(0),
  software: softwareSchema.prefault({}),
  cost: costSchema.prefault({}),
  alternative: z.union([z.string().min(1), alternativeSchema]).optional(),
});

export type PlanFile = z.output<typeof planSchema>;
export type NodeEntry = z.output<typeof nodeSchema>;
export type PlanFileInput = z.input<typeof planSchema>;
