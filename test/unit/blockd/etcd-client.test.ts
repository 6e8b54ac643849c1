// The etcd client against a gateway that misbehaves: members that hang, refuse, talk rubbish, or tell in pieces.
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EtcdClient } from '../../../blockd/catalogue/etcd-client.ts';
import { type Clock, realClock } from '../../../common/clock.ts';
import { refusal } from '../../refusal.ts';

const base64 = (value: string): string => Buffer.from(value).toString('base64');
const HEADER = { header: { revision: '9' } };

/** Limits pass when a member that stays silent has been asked, and not before. */
const limits = new Set<() => void>();
const PAUSE_MS_MAX = 100;
/** Of a call that shall not run into it. */
const LIMIT_MS = 60_000;
const clock: Clock = {
  ...realClock,
  setTimer(delayMs, fire) {
    if (delayMs <= PAUSE_MS_MAX) return realClock.setTimer(delayMs, fire);
    limits.add(fire);
    return { cancel: () => limits.delete(fire) };
  },
};

type Answer = (response: ServerResponse, body: string, path: string) => void;

const silence: Answer = () => {
  for (const fire of limits) fire();
};

const say =
  (value: object, status = 200): Answer =>
  (response) =>
    response.writeHead(status).end(JSON.stringify(value));

const noLeader = say({ error: 'no leader', code: 14 }, 503);

/** Which is 100 ms on whenever it is looked at. */
function hurried(): Clock {
  let nowMs = 0;
  return {
    ...clock,
    nowMs: () => {
      nowMs += 100;
      return nowMs;
    },
  };
}

/** Runs the work against members that answer so, and counts who was asked. */
async function withMembers(
  answers: readonly Answer[],
  clock: Clock,
  work: (client: EtcdClient, untilMs: number) => Promise<void>,
): Promise<number[]> {
  const asked = answers.map(() => 0);
  const servers = await Promise.all(
    answers.map(async (answer, index) => {
      const server = createServer((request, response) => {
        asked[index] = (asked[index] ?? 0) + 1;
        void text(request).then((body) => answer(response, body, request.url ?? ''));
      });
      await once(server.listen(0, '127.0.0.1'), 'listening');
      return server;
    }),
  );
  const client = new EtcdClient({ endpoints: servers.map(endpointOf) }, clock);
  try {
    await work(client, clock.nowMs() + LIMIT_MS);
  } finally {
    client.close();
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  }
  return asked;
}

function endpointOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const record = say({ ...HEADER, kvs: [{ key: base64('k'), value: base64('é'), mod_revision: '7' }] });
const RECORD = { revision: 9, record: { key: 'k', value: 'é', revision: 7 } };

const troubles: readonly [string, Answer][] = [
  ['says nothing', silence],
  ['hangs up', (response) => response.destroy()],
  ['has no leader', say({ error: 'etcdserver: no leader', message: 'etcdserver: no leader', code: 14 }, 503)],
  ['says it as 3.6 does', say({ code: 14, message: 'etcdserver: leader changed' }, 503)],
  ['is no etcd', (response) => response.writeHead(404).end('<html>')],
  ['is another service', say({ kvs: 1 })],
  ['has a revision that no number holds', say({ header: { revision: '9223372036854775807' } })],
];

for (const [what, answer] of troubles) {
  test(`a member that ${what} is passed over, and the next is asked first from then on`, async () => {
    const asked = await withMembers([answer, record], clock, async (client, untilMs) => {
      assert.equal(await client.read('k', untilMs), RECORD);
      assert.equal(await client.read('k', untilMs), RECORD);
    });
    assert.equal(asked, [1, 2]);
  });
}

test('what every member would refuse is told at once, with the member and its words', async () => {
  const full = { error: 'etcdserver: mvcc: database space exceeded', code: 8 };
  const asked = await withMembers([say(full, 429), record], realClock, async (client, untilMs) => {
    const error = await refusal(client.swap([], [{ key: 'k', value: 'v' }], untilMs));
    assert.is(error.code, 'STORE_REFUSED');
    assert.match(error.message, /127\.0\.0\.1.*space exceeded/);
  });
  assert.equal(asked, [1, 0]);
});

test('when its time is over a call ends, and says of each member why', async () => {
  await withMembers([noLeader, silence], hurried(), async (client) => {
    const error = await refusal(client.read('k', 2_000));
    assert.is(error.code, 'STORE_UNREACHABLE');
    assert.match(error.message, /\(no leader\), .*\(no answer within \d+ ms\)/);
  });
});

test('a try that the end of the call cuts short does not hide what the member said before', async () => {
  let asked = 0;
  const answer: Answer = (...call) => {
    asked += 1;
    (asked === 1 ? noLeader : silence)(...call);
  };
  await withMembers([answer], hurried(), async (client) => {
    assert.match((await refusal(client.read('k', 2_000))).message, /\(no leader\)/);
  });
  assert.ok(asked > 1);
});

test('a transaction says what it demands and what it does', async () => {
  let sent: unknown;
  const answer: Answer = (response, body) => {
    sent = JSON.parse(body);
    response.end(JSON.stringify({ ...HEADER, succeeded: true }));
  };
  await withMembers([answer], realClock, async (client, untilMs) => {
    const writes = [
      { key: 'k', value: 'v' },
      { key: 'l', value: undefined },
    ];
    assert.is(await client.swap([{ key: 'k', revision: 0 }], writes, untilMs), 9);
  });
  assert.equal(sent, {
    compare: [{ key: base64('k'), target: 'MOD', result: 'EQUAL', mod_revision: '0' }],
    success: [
      { request_put: { key: base64('k'), value: base64('v') } },
      { request_delete_range: { key: base64('l') } },
    ],
  });
});

test('a condition that does not hold is no error', async () => {
  await withMembers([say(HEADER)], realClock, async (client, untilMs) => {
    assert.is(await client.swap([{ key: 'k', revision: 3 }], [], untilMs), undefined);
  });
});

test('records are read together under a condition', async () => {
  const kvs = [{ key: base64('l'), value: base64('w'), mod_revision: '4' }];
  const reply = { ...HEADER, succeeded: true, responses: [{ response_range: {} }, { response_range: { kvs } }] };
  await withMembers([say(reply)], realClock, async (client, untilMs) => {
    assert.equal(await client.readIf({ key: 'k', revision: 3 }, ['k', 'l'], untilMs), [
      { key: 'l', value: 'w', revision: 4 },
    ]);
  });
});

test('an answer that is cut is asked for again at the next member', async () => {
  const cut: Answer = (response) => {
    response.writeHead(200, { 'content-length': 100 }).write('{"header"', () => response.destroy());
  };
  const asked = await withMembers([cut, record], realClock, async (client, untilMs) => {
    assert.equal(await client.read('k', untilMs), RECORD);
  });
  assert.equal(asked, [1, 1]);
});

test('a range is read page by page, at one revision', async () => {
  const bodies: unknown[] = [];
  const pages = [
    { ...HEADER, kvs: [{ key: base64('p/a'), value: base64('1'), mod_revision: '2' }], more: true },
    { ...HEADER, kvs: [{ key: base64('p/b'), mod_revision: '3' }] },
  ];
  const answer: Answer = (response, body) => {
    bodies.push(JSON.parse(body));
    response.end(JSON.stringify(pages[bodies.length - 1]));
  };
  await withMembers([answer], realClock, async (client, untilMs) => {
    assert.equal(await client.readAll('p/', 9, untilMs), [
      { key: 'p/a', value: '1', revision: 2 },
      { key: 'p/b', value: '', revision: 3 },
    ]);
  });
  const end = { range_end: base64('p0'), limit: 32, revision: 9 };
  assert.equal(bodies, [
    { key: base64('p/'), ...end },
    { key: base64('p/a\0'), ...end },
  ]);
});

test.run();
