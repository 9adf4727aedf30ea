// What crosses between the nodes of a group within a layer: a header of 64 bytes and a body of raw little-endian rows. A
// body longer than a piece travels as several entries, each with the header. Pure; every size is checked on arrival.
//
//   0  magic "CVLF"   16  layer    24  rows    40  digest of the routing
//   4  version        18  attempt  28  width   44  microseconds that the sender's experts took
//   5  kind           20  piece    32  slots
//   6  dtype          22  pieces   36  bytes   48  padding slots, whose outputs are unused
//   8  epoch                           of the  52  zeros
//  12  step                            whole body
import { DomainError } from '../errors/domain-error.ts';

/**
 * work: slots' rows and experts, i32 [slots] each, then the experts' input [rows, width]: leader to expert node.
 * outputs: [slots, width], in the order of rows, then ranks. sums: f32 [rows, width], weighted, of the sender's own rows.
 * failure: why the sender cannot go on, UTF-8.
 */
export type FrameKind = 'work' | 'outputs' | 'sums' | 'failure';

/** Type of activations; sums are always f32. */
export type FrameDtype = 'f32' | 'bf16';

export interface FrameHeader {
  readonly kind: FrameKind;
  readonly dtype: FrameDtype;
  readonly epoch: number;
  readonly step: number;
  readonly layer: number;
  /** 0, incremented each time the same work is reassigned. */
  readonly attempt: number;
  readonly rows: number;
  /** Values of a row. */
  readonly width: number;
  /** (row, expert) pairs. */
  readonly slots: number;
  /** Of the layer's routing as the sender computed it, 32 bits; 0 where nothing was routed. */
  readonly digest: number;
  /** 0 when the sender computed nothing. */
  readonly expertMicros: number;
  /** For work: the number of trailing slots computed only to touch their weights, by some policies. Otherwise 0. */
  readonly padding: number;
}

export interface LayerFrame extends FrameHeader {
  readonly body: Uint8Array;
}

/** A frame's entry before its pieces are put together. */
export interface FramePiece {
  readonly header: FrameHeader;
  readonly piece: number;
  readonly pieces: number;
  readonly bodyBytes: number;
  readonly chunk: Uint8Array;
}

export const HEADER_BYTES = 64;
export const PIECE_BYTES = 256 * 1024;

const MAGIC = 0x464c5643;
const VERSION = 1;
const KINDS: readonly FrameKind[] = ['work', 'outputs', 'sums', 'failure'];
const DTYPES: readonly FrameDtype[] = ['f32', 'bf16'];
const DTYPE_BYTES: Readonly<Record<FrameDtype, number>> = { f32: 4, bf16: 2 };

export function piecesOf(bodyBytes: number): number {
  return Math.max(1, Math.ceil(bodyBytes / PIECE_BYTES));
}

/** Bytes of the body that a header announces; a failure's text has any length. */
export function bodyBytesOf({ kind, dtype, rows, width, slots }: FrameHeader): number | null {
  if (kind === 'work') return slots * 8 + rows * width * DTYPE_BYTES[dtype];
  if (kind === 'outputs') return slots * width * DTYPE_BYTES[dtype];
  return kind === 'sums' ? rows * width * 4 : null;
}

/** The header of one piece: bytes that are written once. */
export function encodeFrameHeader(frame: LayerFrame, piece: number): Buffer {
  // Of the pool, not an allocation of its own: there is one for every frame.
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt8(VERSION, 4);
  header.writeUInt8(KINDS.indexOf(frame.kind), 5);
  header.writeUInt16LE(DTYPES.indexOf(frame.dtype), 6);
  header.writeUInt32LE(frame.epoch, 8);
  header.writeUInt32LE(frame.step, 12);
  header.writeUInt16LE(frame.layer, 16);
  header.writeUInt16LE(frame.attempt, 18);
  header.writeUInt16LE(piece, 20);
  header.writeUInt16LE(piecesOf(frame.body.byteLength), 22);
  header.writeUInt32LE(frame.rows, 24);
  header.writeUInt32LE(frame.width, 28);
  header.writeUInt32LE(frame.slots, 32);
  header.writeUInt32LE(frame.body.byteLength, 36);
  header.writeUInt32LE(frame.digest, 40);
  header.writeUInt32LE(frame.expertMicros, 44);
  header.writeUInt32LE(frame.padding, 48);
  return header.fill(0, 52);
}

/** Throws DomainError `internal` for a header or chunk that is not what encodeFrameHeader wrote for a frame of its kind. */
export function decodeFramePiece(header: Buffer, chunk: Uint8Array): FramePiece {
  if (header.byteLength !== HEADER_BYTES) throw badFrame(`has a header of ${header.byteLength} bytes`);
  if (header.readUInt32LE(0) !== MAGIC || header[4] !== VERSION)
    throw badFrame('has an unknown magic number or version');
  const kind = KINDS[header[5] ?? -1];
  const dtype = DTYPES[header[6] ?? -1];
  if (kind === undefined || dtype === undefined) throw badFrame('has an unknown kind or dtype');
  const piece: FramePiece = {
    header: {
      kind,
      dtype,
      epoch: header.readUInt32LE(8),
      step: header.readUInt32LE(12),
      layer: header.readUInt16LE(16),
      attempt: header.readUInt16LE(18),
      rows: header.readUInt32LE(24),
      width: header.readUInt32LE(28),
      slots: header.readUInt32LE(32),
      digest: header.readUInt32LE(40),
      expertMicros: header.readUInt32LE(44),
      padding: header.readUInt32LE(48),
    },
    piece: header.readUInt16LE(20),
    pieces: header.readUInt16LE(22),
    bodyBytes: header.readUInt32LE(36),
    chunk,
  };
  checkSizes(piece);
  return piece;
}

function checkSizes(piece: FramePiece): void {
  const announced = bodyBytesOf(piece.header) ?? piece.bodyBytes;
  if (announced !== piece.bodyBytes) throw badFrame(`announces ${piece.bodyBytes} bytes instead of ${announced}`);
  if (piece.pieces !== piecesOf(piece.bodyBytes) || piece.piece >= piece.pieces) throw badFrame('has a wrong piece');
  const expected = Math.min(PIECE_BYTES, piece.bodyBytes - piece.piece * PIECE_BYTES);
  if (piece.chunk.byteLength !== expected) {
    throw badFrame(`has a piece of ${piece.chunk.byteLength} bytes instead of ${expected}`);
  }
}

function badFrame(what: string): DomainError {
  return new DomainError('internal', `A frame ${what}.`);
}
