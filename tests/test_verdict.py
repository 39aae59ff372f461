"""The verdicts: every name with its fate, its sentence and its section, as interface 4 says."""

from __future__ import annotations

import re

import pytest

from lbreplay.verdict import ENTRIES, NAMES, PENDING, REASONS, Fate, Verdict

# Interface 4, all but "dropped", which is every other name, of the dpvs profile.
FATES = {
    Fate.TRANSMITTED: "forwarded_fast forwarded_slow forwarded_fragmented forwarded_plain icmp_related_forwarded "
    "tcp_bad_ack_rst synproxy_synack local_echo_reply arp_answered nd_answered",
    Fate.TO_KERNEL: "ethertype_unhandled ospf local_to_kernel kernel_route no_route_to_kernel multicast arp_to_kernel "
    "nd_to_kernel",
    Fate.HELD: "tc_ingress_queued synproxy_ack_accepted synproxy_held synproxy_reused neigh_queued",
    Fate.CONSUMED: "synproxy_synack_consumed",
    Fate.IGNORED: "own_transmit reply_without_conn direct_reply",
    Fate.DROPPED: "truncated arp_bad_opcode icmp_local_invalid v6_no_next_header tunnel_input no_dest "
    "laddr_port_exhausted l3_truncated",
}


@pytest.mark.parametrize("fate", FATES)
def test_names_have_their_fate(fate: Fate) -> None:
    names = FATES[fate].split()
    assert {name: ENTRIES[NAMES.index(name)].fate for name in names} == dict.fromkeys(names, fate)


def test_a_verdict_is_a_small_number() -> None:
    """Its code is its place, and fits the column beside what is pending."""
    assert [int(entry) for entry in ENTRIES] == list(range(len(NAMES))) and len(NAMES) < PENDING < 256
    assert NAMES[Verdict.NO_DEST] == "no_dest"


@pytest.mark.parametrize("verdict", ENTRIES, ids=NAMES)
def test_each_has_a_sentence_and_a_section(verdict: Verdict) -> None:
    """One sentence a person understands, and where it is written."""
    assert re.fullmatch(r"[A-Z].*\.", verdict.sentence) and "\n" not in verdict.sentence
    assert re.match(r"(D|S|L|interface) \d+", verdict.section)


def test_what_is_never_final_is_no_verdict() -> None:
    """Reasons stand beside what happened afterwards (interface 4)."""
    assert set(REASONS) == {
        "not_for_host", "proto_unsupported", "icmp_unrelated", "icmp_quotes_other_protocol", "tcp_not_syn",
        "no_service", "no_xmit_function",
        "redirected", "icmp_untranslated", "icmp_quote_short", "icmp_quote_fragment", "icmp_refused", "icmp_redirected",
    }  # fmt: skip
    assert not set(REASONS) & set(NAMES)
