// Parts that several messages have, as os-ken writes them in JSON.
import type { Bucket, MeterBand, Port } from '@openflow/ofp';
import { actionForm, numbers } from './os-ken-actions.ts';
import type { Form } from './os-ken-fields.ts';

/** A word's number in the specification's order. */
export function ordinal(words: readonly string[], word: string): string {
  return String(words.indexOf(word));
}

export function portForm(port: Port): Form {
  const { portNo, hwAddress, name, current, currentKbps, maxKbps, ...same } = port;
  return {
    OFPPort: {
      ...numbers({ ...same, port_no: portNo, curr: current, curr_speed: currentKbps, max_speed: maxKbps }),
      hw_addr: hwAddress,
      name,
    },
  };
}

export function bandForm(band: MeterBand): Form {
  const rates = numbers({ rate: band.rate, burst_size: band.burst });
  switch (band.type) {
    case 'drop':
      return { OFPMeterBandDrop: rates };
    case 'dscp-remark':
      return { OFPMeterBandDscpRemark: { ...rates, prec_level: String(band.precedence) } };
    case 'experimenter':
      return { OFPMeterBandExperimenter: { ...rates, experimenter: String(band.experimenter) } };
  }
}

export function bucketForm({ weight, watchPort, watchGroup, actions }: Bucket): Form {
  return {
    OFPBucket: {
      ...numbers({ weight, watch_port: watchPort, watch_group: watchGroup }),
      actions: actions.map(actionForm),
    },
  };
}
