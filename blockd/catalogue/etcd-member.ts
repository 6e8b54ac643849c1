// One member of an etcd cluster, spoken to over its JSON gateway by Node's own HTTP. Knows no other member and tries
// nothing twice.
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';

/** A client certificate, its key, and the authority that the members' certificates come from: all PEM text. */
export interface EtcdTls {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

/** 32 records of 1.5 MiB, the most that etcd takes in one request, in base64. */
const REPLY_BYTES_MAX = 64 * 2 ** 20;
const HTTP_OK = 200;

/** What a call brought: a JSON value, and whether it is the answer or a refusal. */
export interface MemberReply {
  readonly isOk: boolean;
  readonly value: unknown;
}

/** Calls on one endpoint, over connections that stay open. */
export class EtcdMember {
  readonly endpoint: string;
  readonly #agent: Agent;
  readonly #isTls: boolean;

  constructor(endpoint: string, tls: EtcdTls | undefined) {
    this.endpoint = endpoint;
    this.#isTls = new URL(endpoint).protocol === 'https:';
    this.#agent = this.#isTls
      ? new TlsAgent({ keepAlive: true, ca: tls?.ca, cert: tls?.certificate, key: tls?.key, minVersion: 'TLSv1.2' })
      : new Agent({ keepAlive: true });
  }

  /** @throws Error of the connection, or that the reply is not JSON; the signal's reason */
  async call(path: string, body: object, signal: AbortSignal): Promise<MemberReply> {
    const response = await this.#post(path, body, signal);
    let text = '';
    for await (const chunk of response) {
      text += String(chunk);
      if (text.length > REPLY_BYTES_MAX) throw new Error(`its reply is longer than ${REPLY_BYTES_MAX} bytes`);
    }
    return replyOf(response, text);
  }

  close(): void {
    this.#agent.destroy();
  }

  #post(path: string, body: object, signal: AbortSignal): Promise<IncomingMessage> {
    const text = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const options: RequestOptions = { method: 'POST', agent: this.#agent, headers, signal };
    return new Promise((resolve, reject) => {
      const sent = (this.#isTls ? tlsRequest : request)(new URL(path, this.endpoint), options, (response) => {
        response.setEncoding('utf8');
        resolve(response);
      });
      sent.on('error', reject);
      sent.end(text);
    });
  }
}

function replyOf({ statusCode }: IncomingMessage, text: string): MemberReply {
  try {
    return { isOk: statusCode === HTTP_OK, value: JSON.parse(text) };
  } catch {
    throw new Error(`its reply is not JSON (HTTP ${statusCode})`);
  }
}
