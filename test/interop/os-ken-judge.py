# os-ken reads and writes OpenFlow 1.3 messages: one task a line in JSON, one answer a line. {"read": hexadecimal} is answered
# by {"fields": what os-ken's JSON holds of the message}, {"build": such fields, "xid": its id} by {"bytes": hexadecimal},
# and either by {"error": why not}. All numbers are decimal text and all IPv6 addresses eight groups, so that there is one
# form of each.
import base64
import ipaddress
import json
import logging
import re
import struct
import sys

from os_ken.ofproto import ofproto_parser, ofproto_protocol, ofproto_v1_3, ofproto_v1_3_parser

logging.disable(logging.CRITICAL)
DATAPATH = ofproto_protocol.ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
MAC = re.compile('([0-9a-f]{2}:){5}[0-9a-f]{2}')
# Texts that are no numbers, even if they have digits only.
TEXTS = {'name', 'data', 'serial_num', 'mfr_desc', 'hw_desc', 'sw_desc', 'dp_desc'}


def canonical(value):
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return eight_groups(value) if ':' in value and not MAC.fullmatch(value) else value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode('ascii')
    if isinstance(value, (list, tuple)):
        return [canonical(one) for one in value]
    return {key: canonical(one) for key, one in value.items()}


def eight_groups(text):
    try:
        groups = ipaddress.IPv6Address(text).exploded.split(':')
    except ValueError:
        return text
    return ':'.join(group.lstrip('0') or '0' for group in groups)


def numbers(value, key=''):
    if isinstance(value, str):
        return int(value) if value.isdecimal() and key not in TEXTS else value
    if isinstance(value, list):
        return [numbers(one) for one in value]
    if isinstance(value, dict):
        unknown = str(value.get('field', '')).startswith('field_')
        return {name: one if unknown else numbers(one, name) for name, one in value.items()}
    return value


def read(text):
    data = bytes.fromhex(text)
    (version, kind, length, xid) = struct.unpack_from('!BBHI', data, 0)
    message = ofproto_v1_3_parser.msg_parser(DATAPATH, version, kind, length, xid, data)
    return {'fields': canonical(message.to_jsondict())}


def build(fields, xid):
    message = ofproto_parser.ofp_msg_from_jsondict(DATAPATH, numbers(fields))
    message.set_xid(xid)
    message.serialize()
    return {'bytes': bytes(message.buf).hex()}


# os-ken prints what it does not understand.
answers, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    task = json.loads(line)
    try:
        answer = read(task['read']) if 'read' in task else build(task['build'], task['xid'])
    except Exception as problem:
        answer = {'error': repr(problem)}
    answers.write(json.dumps(answer) + '\n')
answers.flush()
