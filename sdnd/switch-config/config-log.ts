// What happens to a switch's set-up as lines of the agent's log. Decides nothing.
import type { Log } from '../../common/log.ts';
import { describeChange } from './config-changes.ts';
import type { ConfigEvent } from './config-keeper.ts';

/** Writes each event where a person looks for it. */
export function logEvents(log: Log): (event: ConfigEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'connected':
        log.info({ version: event.version }, "the switch's database is connected");
        break;
      case 'lost':
        log.warn({ reason: event.reason }, "the switch's database is away; the switch goes on as it is");
        break;
      case 'changed':
        logChange(log, event);
        break;
      case 'obeyed':
        log.info({ tookMs: Math.round(event.tookMs) }, 'the switch is as wanted');
        break;
      case 'conflict':
        log.error({ conflicts: event.conflicts }, 'the switch cannot be as wanted: somebody else owns what is there');
        break;
      case 'refused':
        log.error({ reason: event.reason }, "the switch's database refused a change; it is tried again");
        break;
      case 'contested':
        log.error({ waitMs: event.waitMs }, 'somebody undoes what is put right at the switch; repairs are slowed');
        break;
    }
  };
}

function logChange(log: Log, { repair, changes }: Extract<ConfigEvent, { kind: 'changed' }>): void {
  const fields = { changes: changes.map(describeChange) };
  if (repair) log.warn(fields, 'the switch was changed by somebody else, and is put right');
  else log.info(fields, 'the switch is set up');
}
