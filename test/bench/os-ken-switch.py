# A learning switch on os-ken, for `bench controller`: Debian's package has none. It does what os-ken's users begin with: an entry by
# port and both addresses for a receiver that is known, everywhere for one that is not.
from os_ken.base.app_manager import OSKenApp
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib.packet import ethernet, packet
from os_ken.ofproto import ofproto_v1_3


class LearningSwitch(OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ports = {}

    def entry(self, datapath, priority, match, actions, buffer_id):
        parser = datapath.ofproto_parser
        apply = parser.OFPInstructionActions(datapath.ofproto.OFPIT_APPLY_ACTIONS, actions)
        return parser.OFPFlowMod(datapath=datapath, priority=priority, match=match, instructions=[apply], buffer_id=buffer_id)

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def arrived(self, event):
        datapath = event.msg.datapath
        to_controller = datapath.ofproto_parser.OFPActionOutput(datapath.ofproto.OFPP_CONTROLLER, datapath.ofproto.OFPCML_NO_BUFFER)
        miss = datapath.ofproto_parser.OFPMatch()
        datapath.send_msg(self.entry(datapath, 0, miss, [to_controller], datapath.ofproto.OFP_NO_BUFFER))

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def came(self, event):
        message = event.msg
        datapath, in_port = message.datapath, message.match['in_port']
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        header = packet.Packet(message.data).get_protocol(ethernet.ethernet)
        known = self.ports.setdefault(datapath.id, {})
        known[header.src] = in_port
        out = known.get(header.dst, ofproto.OFPP_FLOOD)
        actions = [parser.OFPActionOutput(out)]
        if out != ofproto.OFPP_FLOOD:
            match = parser.OFPMatch(in_port=in_port, eth_dst=header.dst, eth_src=header.src)
            datapath.send_msg(self.entry(datapath, 1, match, actions, message.buffer_id))
            if message.buffer_id != ofproto.OFP_NO_BUFFER:
                return
        data = message.data if message.buffer_id == ofproto.OFP_NO_BUFFER else None
        datapath.send_msg(parser.OFPPacketOut(datapath=datapath, buffer_id=message.buffer_id, in_port=in_port, actions=actions, data=data))
