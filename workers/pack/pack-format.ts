// The format of the shared pack (docs/decisions/0011-pack-files.md). Pure: encodes and decodes headers. Experts lie in slabs
// (slab-table.ts).
//
//   0   8   magic "CVPACK\r\n"
//   8   4   version of this header, u32 little-endian
//   12  4   J, length of the JSON in bytes, u32 little-endian
//   16  32  SHA-256 of the JSON
//   48  J   JSON: PackHeader
//   D = 48 + J rounded up to 16 KiB: the sections, each at D + offset, offsets being multiples of 16 KiB
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { DomainError } from '../../infra/errors/domain-error.ts';
import { isWeightFormat, type WeightFormat } from '../../native/weight-format.ts';
import { WEIGHT_ROLES } from '../../native/weight-sections.ts';

/** The kernels' layout of matrices; equals the addon's layoutVersion. */
export const PACK_LAYOUT_VERSION = 1;

/** Alignment of sections in bytes, a multiple of every page size in use. */
export const SECTION_ALIGNMENT = 16_384;

export const PACK_PREFIX_BYTES = 48;
const MAGIC = Buffer.from('CVPACK\r\n', 'latin1');
/** Raised with every change of the file, of what sections there are, and of the kernels' layout. A pack folder's key has it. */
export const PACK_VERSION = 3;
const MAX_JSON_BYTES = 64 * 1024 * 1024;

/** What is placed, built, fetched and held: 'shared', what belongs to no expert, or the id of an expert of a layer. */
export type PackId = 'shared' | number;

const whole = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** Of a matrix. */
export const formatSchema = z.custom<WeightFormat>((value) => typeof value === 'string' && isWeightFormat(value));

const sectionSchema = z.strictObject({
  role: z.enum(WEIGHT_ROLES),
  layer: whole.nullable(),
  expert: whole.nullable(),
  format: formatSchema,
  outputs: whole,
  inputs: whole,
  /** From the beginning of the sections, in bytes. */
  offset: whole,
  bytes: whole,
  sha256,
});

const headerSchema = z.strictObject({
  layoutVersion: whole,
  activations: z.enum(['f32', 'bf16']),
  /** Of the whole model's matrices: see WeightFormats. */
  formats: z.record(z.string(), formatSchema),
  sourceHash: sha256,
  /** The model's config.json, so that a node can use packs without the checkpoint. */
  config: z.string(),
  dataBytes: whole,
  sections: z.array(sectionSchema),
});

export type PackSection = Readonly<z.infer<typeof sectionSchema>>;
export type PackHeader = Readonly<z.infer<typeof headerSchema>>;

/** Encodes the header, padded to the start of the sections. */
export function encodePackHeader(header: PackHeader): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const bytes = Buffer.alloc(dataOffset(json.length));
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(PACK_VERSION, 8);
  bytes.writeUInt32LE(json.length, 12);
  createHash('sha256').update(json).digest().copy(bytes, 16);
  json.copy(bytes, PACK_PREFIX_BYTES);
  return bytes;
}

/** Length of the JSON, decoded from a file's first PACK_PREFIX_BYTES. Throws DomainError `bad_pack`. */
export function decodePackPrefix(prefix: Uint8Array, path: string): number {
  const bytes = Buffer.from(prefix.buffer, prefix.byteOffset, prefix.length);
  if (bytes.length < PACK_PREFIX_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) {
    throw badPack(path, 'is not a pack file');
  }
  const version = bytes.readUInt32LE(8);
  if (version !== PACK_VERSION) {
    throw badPack(path, `has header version ${version}, expected ${PACK_VERSION}`);
  }
  const jsonBytes = bytes.readUInt32LE(12);
  if (jsonBytes > MAX_JSON_BYTES) throw badPack(path, `declares a header of ${jsonBytes} bytes`);
  return jsonBytes;
}

/** Decodes the header from prefix and JSON. Throws DomainError `bad_pack` if the checksum does not match. */
export function decodePackHeader(bytes: Uint8Array, path: string): PackHeader {
  const jsonBytes = decodePackPrefix(bytes, path);
  const json = Buffer.from(bytes).subarray(PACK_PREFIX_BYTES, PACK_PREFIX_BYTES + jsonBytes);
  const expected = Buffer.from(bytes).subarray(16, PACK_PREFIX_BYTES);
  if (json.length !== jsonBytes || !createHash('sha256').update(json).digest().equals(expected)) {
    throw badPack(path, 'has a damaged header: its checksum does not match');
  }
  try {
    return headerSchema.parse(JSON.parse(json.toString('utf8')));
  } catch (cause) {
    throw badPack(path, 'has a header of another version', cause);
  }
}

/** Start of the sections, in bytes from the start of the file. */
export function dataOffset(jsonBytes: number): number {
  return alignUp(PACK_PREFIX_BYTES + jsonBytes, SECTION_ALIGNMENT);
}

export function alignUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

export function badPack(path: string, what: string, cause?: unknown): DomainError {
  return new DomainError('bad_pack', `${path} ${what}`, { param: path, cause });
}
