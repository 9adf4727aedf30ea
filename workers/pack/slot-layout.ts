// How an expert of a layer lies in its slot. In: a model. Out: its sections, from the beginning of the slot. Pure.
import { expertShape, placeOfExpert } from '../../native/model-description.ts';
import { layerExpertShapes } from '../model/section-shapes.ts';
import { formatOf, type StoredModel, type StoredSection } from '../model/stored-model.ts';
import { type PackPlacement, placeSections } from './place-sections.ts';

/** The sections of an expert of a layer, by id. */
export function slotLayout(model: StoredModel, id: number): PackPlacement<StoredSection> {
  const { layer, expert } = placeOfExpert(model, id);
  return layoutOf(model, layer, expert);
}

/** Bytes of a slot of a layer, counted among all: what its largest expert takes. */
export function slotBytesOf(model: StoredModel, layer: number): number {
  const experts = Array.from({ length: expertShape(model).experts }, (_, expert) => expert);
  return Math.max(...experts.map((expert) => layoutOf(model, layer, expert).dataBytes));
}

function layoutOf(model: StoredModel, layer: number, expert: number): PackPlacement<StoredSection> {
  const shapes = layerExpertShapes(model, layer, expert);
  return placeSections(shapes.map((shape) => ({ ...shape, format: formatOf(model.formats, shape) })));
}
