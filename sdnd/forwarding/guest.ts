// One guest as one switch sees it: where it is, may be next, and was before.
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { controllerCookie } from '../pipeline.ts';
import { type OverlayView, type SwitchView, tenantOf } from './view.ts';

/** A binding, and the number of its port if that is one of this switch. */
export interface Place {
  readonly binding: Binding;
  readonly isHere: boolean;
  readonly portNo: number | undefined;
}

export interface Guest {
  readonly binding: Binding;
  readonly tenant: number;
  readonly cookie: bigint;
  readonly active: Place;
  readonly prepared: Place | undefined;
  readonly departed: Place | undefined;
}

/** The guests whose tenants have a guest at this switch, or may have, or had a moment ago (SOUNDNESS C10). */
export function guestsOf(overlay: OverlayView, view: SwitchView): Guest[] {
  const guests = [...overlay.bindings.values()].map((binding) => guestOf(overlay, view, binding));
  const held = new Set(guests.filter(isHere).map(({ tenant }) => tenant));
  return guests.filter(({ tenant }) => held.has(tenant));
}

/** A guest's places: where it is, and where it may be from one moment to the next. */
export function placesOf({ active, prepared }: Guest): readonly Place[] {
  return prepared === undefined ? [active] : [active, prepared];
}

function isHere({ active, prepared, departed }: Guest): boolean {
  return [active, prepared, departed].some((place) => place?.isHere === true);
}

function guestOf({ incarnation, preparations, departures }: OverlayView, view: SwitchView, binding: Binding): Guest {
  const locate = (place: Binding | undefined): Place | undefined => place && placeOf(view, place);
  return {
    binding,
    tenant: tenantOf(binding),
    cookie: controllerCookie(incarnation, binding.epoch),
    active: placeOf(view, binding),
    prepared: locate(preparations.get(binding.owner)),
    departed: locate(departures.get(binding.owner)),
  };
}

function placeOf({ node, ports }: SwitchView, binding: Binding): Place {
  const isHere = binding.node === node;
  return { binding, isHere, portNo: isHere ? ports.get(binding.port) : undefined };
}
