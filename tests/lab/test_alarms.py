"""Properties of `check` hold on recorded traffic that is in order, and break where a case is about what they forbid."""

from pathlib import Path

import pytest

from lbreplay.config.load import load
from lbreplay.lab.case import load as read
from lbreplay.lab.case import packed
from lbreplay.lab.check import check

GOLDEN = Path(__file__).parent.parent / "golden"
QUIET = [
    "dpvs/conhash", "dpvs/dr", "dpvs/fragments_4_workers", "dpvs/laddr_3", "dpvs/mh",
    "dpvs/mh_weights", "dpvs/nat64", "dpvs/pool_buckets", "dpvs/port_release_order_2_workers",
    "dpvs/reuse_fin_wait", "dpvs/rr_weight_zero", "dpvs/syn_options", "dpvs/synproxy_options",
    "dpvs/t2_persist_tcp_synproxy", "dpvs/t2_proxy_protocol_v1_parse", "dpvs/t2_r7002", "dpvs/t2_r7127",
    "dpvs/t2_resolve_v4_1", "dpvs/t2_sched_wlc_v4_1", "dpvs/t2_synproxy_reuse_window_scale",
    "dpvs/tcp_life_routed_rs_closes", "dpvs/toa_mtu_1400", "dpvs/two_services_share_laddrs", "dpvs/uoa_opp",
    "dpvs/wlc_123", "dpvs/wrr_246", "dpvs-1.8/conhash", "dpvs-1.8/fragments", "dpvs-1.8/mh_port",
    "dpvs-1.8/persistent", "dpvs-1.8/reuse_time_wait", "dpvs-1.8/start_positions_wrr_8_workers",
    "dpvs-1.8/synproxy_no_reuse", "dpvs-1.8/toa_mtu", "dpvs-1.8/uoa_opp", "dpvs-1.8/wlc_weight_zero_later",
    "ipvs/delete_real_nodest0", "ipvs/dr_ttl_mtu", "ipvs/fragments_nat_conntrack", "ipvs/icmp_from_client",
    "ipvs/lc_111", "ipvs/nat_icmp_send", "ipvs/nat_tcp_server_close", "ipvs/persist_basic",
    "ipvs/persist_udp_ops", "ipvs/sed_123", "ipvs/sh_overload", "ipvs/state_matrix_secure_dr",
    "ipvs/t2_ct_last_ack", "ipvs/t2_fo_ovf_life", "ipvs/t2_icmp_from_dr_real", "ipvs/t2_life_02",
    "ipvs/t2_mixed_af_tunnel", "ipvs/t2_net_05", "ipvs/t2_persist_thresholds", "ipvs/t2_rnd_023",
    "ipvs/t2_secure_switch", "ipvs/t2_sip_long_call_id", "ipvs/t2_trash_time", "ipvs/t2_v6_mtu_sctp",
    "ipvs/threshold_upper", "ipvs/tun_icmp_pmtu", "ipvs/wlc_123", "ipvs/wrr_432",
]  # fmt: skip
BROKEN = {  # a case -> the property it is made to break, and a word of what is said
    "dpvs/expiry_rst_pair": ("timeouts", "udp.timeout.normal = 300"),
    "dpvs/state_table_in": ("timeouts", "tcp.timeout.close_wait = 7"),
    "ipvs/timeout_set": ("timeouts", "ipvs.timeout.tcp = 8"),
    "dpvs/removed_not_quiescent": ("living", "expire_quiescent = true ends its connections"),
    "dpvs-1.8/expire_quiescent_removed": ("living", "in DPVS 1.8 expire_quiescent looks at weight 0 only"),
    "ipvs/persist_weight0": ("living", "ipvs.expire_quiescent_template = 1"),
    "dpvs/wlc_0_2_2_1": ("even", "goes by live connections"),
    "dpvs/malformed": ("answered", "answered none of 5 connections"),
    "dpvs/v6_tcp": ("rules", "ixgbe holds IPv6 rules in signature mode only"),
    "dpvs/t2_r8101": ("unique-ports", ""),
}


def judged(name, *names):
    folder = GOLDEN / name
    about = read(name, folder)
    return check(load(str(folder / "lb.toml"), view=about.view), str(packed(folder / "in.pcap")), names).judgements


@pytest.mark.parametrize("name", QUIET)
def test_nothing_is_broken_where_all_is_well(name):
    """No false alarm, of any property."""
    assert [j.name for j in judged(name) if j.holds is False] == []


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_told(name):
    """By the right property, with the setting that decides."""
    prop, said = BROKEN[name]
    (judgement,) = judged(name, prop)
    assert judgement.holds is False and said in judgement.failure.detail
