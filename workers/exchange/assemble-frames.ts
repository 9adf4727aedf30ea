// Entries of one stream -> frames. In: header and chunk of each piece, in the order of their ids. Out: a frame when its
// last piece has come. Pure.
import { DomainError } from '../../infra/errors/domain-error.ts';
import {
  decodeFramePiece,
  type FrameHeader,
  type FramePiece,
  type LayerFrame,
  PIECE_BYTES,
} from '../../infra/messages/layer-frame.ts';

export class FrameAssembler {
  /** The frame whose pieces are coming, and how many have come. */
  #body: Uint8Array = new Uint8Array(0);
  #begun: FramePiece | null = null;
  #next = 0;

  /**
   * Returns the frame that this piece completes, or null. Throws DomainError `internal` for a piece that is not well
   * formed or does not follow the one before; the frame it belongs to is then lost.
   */
  add(header: Buffer, chunk: Buffer): LayerFrame | null {
    const piece = decodeFramePiece(header, chunk);
    if (piece.pieces === 1) return { ...piece.header, body: chunk };
    if (piece.piece === 0) this.#begin(piece);
    else this.#checkFollows(piece);
    this.#body.set(chunk, piece.piece * PIECE_BYTES);
    this.#next = piece.piece + 1;
    return this.#next === piece.pieces ? { ...piece.header, body: this.#body } : null;
  }

  #begin(piece: FramePiece): void {
    this.#begun = piece;
    // Not that of the frame before: its reader may still hold it.
    this.#body = new Uint8Array(piece.bodyBytes);
  }

  #checkFollows(piece: FramePiece): void {
    const begun = this.#begun;
    const inOrder = begun !== null && piece.piece === this.#next && piece.bodyBytes === begun.bodyBytes;
    if (inOrder && isSamePoint(piece.header, begun.header)) return;
    this.#begun = null;
    throw new DomainError('internal', `A frame's piece ${piece.piece} does not follow the pieces before it.`);
  }
}

function isSamePoint(a: FrameHeader, b: FrameHeader): boolean {
  return (
    a.kind === b.kind && a.layer === b.layer && a.attempt === b.attempt && a.step === b.step && a.epoch === b.epoch
  );
}
