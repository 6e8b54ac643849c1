// Features of flow tables as os-ken writes them in JSON.
import { FIELDS, type FieldId, type TableFeatures, type TableProperty } from '@openflow/ofp';
import { numbers } from './os-ken-actions.ts';
import { type Form, fieldName } from './os-ken-fields.ts';

export function tableForm(table: TableFeatures): Form {
  return {
    OFPTableFeaturesStats: {
      ...numbers({
        table_id: table.tableId,
        metadata_match: table.metadataMatch,
        metadata_write: table.metadataWrite,
        config: table.config,
        max_entries: table.maxEntries,
      }),
      name: table.name,
      properties: table.properties.map(propertyForm),
    },
  };
}

const INSTRUCTIONS: Readonly<Record<string, number>> = {
  'goto-table': 1,
  'write-metadata': 2,
  'write-actions': 3,
  'apply-actions': 4,
  'clear-actions': 5,
  meter: 6,
};
const ACTIONS: Readonly<Record<string, number>> = {
  output: 0,
  'copy-ttl-out': 11,
  'copy-ttl-in': 12,
  'set-mpls-ttl': 15,
  'dec-mpls-ttl': 16,
  'push-vlan': 17,
  'pop-vlan': 18,
  'push-mpls': 19,
  'pop-mpls': 20,
  'set-queue': 21,
  group: 22,
  'set-nw-ttl': 23,
  'dec-nw-ttl': 24,
  'set-field': 25,
  'push-pbb': 26,
  'pop-pbb': 27,
};
const PROPERTIES: Readonly<Record<TableProperty['type'], number>> = {
  instructions: 0,
  'next-tables': 2,
  'write-actions': 4,
  'apply-actions': 6,
  match: 8,
  wildcards: 10,
  'write-setfield': 12,
  'apply-setfield': 14,
  experimenter: 0xfffe,
};

/** Only properties without experimenters' or unknown parts: os-ken has no form for those. */
function propertyForm(property: TableProperty): Form {
  const miss = 'miss' in property && property.miss;
  const type = String(PROPERTIES[property.type] + (miss ? 1 : 0));
  const idForm = (name: string, of: Readonly<Record<string, number>>) => (id: unknown) => ({
    [name]: { type: String(of[String(id)]) },
  });
  switch (property.type) {
    case 'instructions':
      return {
        OFPTableFeaturePropInstructions: {
          type,
          instruction_ids: property.instructions.map(idForm('OFPInstructionId', INSTRUCTIONS)),
        },
      };
    case 'next-tables':
      return { OFPTableFeaturePropNextTables: { type, table_ids: property.tableIds.map(String) } };
    case 'write-actions':
    case 'apply-actions':
      return {
        OFPTableFeaturePropActions: { type, action_ids: property.actions.map(idForm('OFPActionId', ACTIONS)) },
      };
    case 'experimenter':
      return {
        OFPTableFeaturePropExperimenter: {
          type,
          ...numbers({ experimenter: property.experimenter, exp_type: property.experimenterType }),
          data: wordsForm(property.data),
        },
      };
    default:
      return { OFPTableFeaturePropOxm: { type, oxm_ids: property.fields.map(fieldIdForm) } };
  }
}

function fieldIdForm(id: FieldId): Form {
  if (!('field' in id)) throw new Error('a raw field has no form in os-ken');
  const hasmask = String(id.masked ? 1 : 0);
  const { experimenter, code } = FIELDS[id.field];
  if (experimenter === undefined) return { OFPOxmId: { type: fieldName(id.field), hasmask } };
  return { OFPExperimenterOxmId: { type: `field_${code / 512}`, hasmask, exp_id: String(experimenter) } };
}

/** 32-bit words in decimal. */
function wordsForm(data: Uint8Array): Form {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  return Array.from({ length: data.length / 4 }, (_, i) => String(view.getUint32(i * 4)));
}
