// The message by which a switch forgets all connections of a zone: NXT_CT_FLUSH_ZONE of Open vSwitch's nicira-ext.h.
import { type Message, NX_EXPERIMENTER } from '@openflow/ofp';

const FLUSH_ZONE = 29;
/** After six bytes of nothing stands the zone. */
const BODY_BYTES = 8;
const ZONE_AT = 6;

export function forgetZone(zone: number): Message {
  const body = new Uint8Array(BODY_BYTES);
  new DataView(body.buffer).setUint16(ZONE_AT, zone);
  return { type: 'experimenter', experimenter: NX_EXPERIMENTER, experimenterType: FLUSH_ZONE, data: body };
}
