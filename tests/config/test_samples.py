"""What DPVS and keepalived install as samples, rewritten from their manuals: each is read whole, and runs."""

from __future__ import annotations

import pytest

from lbreplay.config.found import Found
from lbreplay.config.imports import Texts, import_texts
from lbreplay.config.load import load
from lbreplay.model import On, Setup


def read(kind: str, text: str, arguments: tuple[str, ...] | None = None) -> tuple[Setup, Found]:
    """The setup of one file, and what was said of it."""
    given = ((("setup.sh", text),) if kind == "scripts" else ("keepalived.conf", text),)[0]
    found = import_texts(Texts(**{kind: given, "arguments": arguments}))
    return load("import", text=found.text()), found


TWO_ARM = """#!/bin/sh
WAN_IPS=('192.0.2.4' '192.0.2.5')
WAN_TCP_PORT=80
WAN_UDP_PORT=53
LAN_IPS=('10.1.0.10' '10.1.0.11')
LAN_NET="10.1.0.0/24"
TCP_RS=('10.1.0.3:8080' '10.1.0.4:8081')
UDP_RS=('10.1.0.3:53')
SYN_PROXY='Enable'
WAN_DEV=dpdk1 # for the WAN list
LAN_DEV=dpdk0
OSPF_IP=''
DPIP="./dpip "
IPVSADM="./ipvsadm "
IP_CMD=`which ip`

check_result() {
    ret=$1
    if [ $ret -ne 0 ]; then
        echo "FAILED"
    else
        echo "SUCCEED"
    fi
}

show_usage() {
     echo "$0 -s [net|dpvs|all]"
     exit 0;
}

run_cmd() {
    if [ "x$2" != "x" ]; then
        echo -n "$2 ... "
    else
        echo -n "$1 ... "
    fi
    $1 > /dev/null 2>&1
    check_result $?
}

network() {
    echo "====Addresses===="
    run_cmd "$IP_CMD link set ${WAN_DEV}.kni up"
    for d in ${WAN_IPS[@]}; do
        run_cmd "$DPIP addr add $d/32 dev ${WAN_DEV}" \\
            "Add $d"
    done
    run_cmd "$DPIP route add $LAN_NET dev $LAN_DEV"
    if [ "x$OSPF_IP" != "x" ]; then
        run_cmd "$DPIP route add $OSPF_IP dev $WAN_DEV scope kni_host"
    fi
}

rules() {
    if [ "x$SYN_PROXY" == "xEnable" ]; then
        SYN_PROXY='-j enable'
    elif [ "x$SYN_PROXY" == "xDisable" ]; then
        SYN_PROXY='-j disable'
    fi
    if [ "x$WAN_TCP_PORT" != "x" ]; then
        for vip in ${WAN_IPS[@]}; do
            run_cmd "$IPVSADM  -A -t $vip:$WAN_TCP_PORT -s rr $SYN_PROXY"
            for rs in ${TCP_RS[@]}; do
                run_cmd "$IPVSADM -a -t $vip:$WAN_TCP_PORT -r $rs -b"
            done
            for lip in ${LAN_IPS[@]}; do
                run_cmd "$IPVSADM --add-laddr -z $lip -t $vip:$WAN_TCP_PORT -F $LAN_DEV"
            done
        done
    fi
    if [ "x$WAN_UDP_PORT" != "x" ]; then
        for vip in ${WAN_IPS[@]}; do
            run_cmd "$IPVSADM  -A -u $vip:$WAN_UDP_PORT -s rr"
            for rs in ${UDP_RS[@]}; do
                run_cmd "$IPVSADM -a -u $vip:$WAN_UDP_PORT -r $rs -b"
            done
            for lip in ${LAN_IPS[@]}; do
                run_cmd "$IPVSADM --add-laddr -z $lip -u $vip:$WAN_UDP_PORT -F $LAN_DEV"
            done
        done
    fi
}

while getopts "hcs:" arg; do
    case $arg in
    h )
        show_usage
        ;;
    s )
        if [ "x$OPTARG" == "xnet" ]; then
            network
        elif [ "x$OPTARG" == "xall" ]; then
            network
            rules
        else
            show_usage
        fi
        exit $?
        ;;
    * )
        show_usage
        ;;
    esac
done
"""


def test_full_nat_with_two_arms() -> None:
    """Lists, functions that run a string, and options: with -s all every service and address is there."""
    setup, found = read("scripts", TWO_ARM, ("-s", "all"))
    assert [str(service.vip) for service in setup.services] == [
        "192.0.2.4:80", "192.0.2.5:80", "192.0.2.4:53", "192.0.2.5:53",
    ]  # fmt: skip
    assert [len(service.reals) for service in setup.services] == [2, 2, 1, 1]
    assert all(len(service.laddr) == 2 and service.mode == "fnat" for service in setup.services)
    assert [service.synproxy for service in setup.services] == [True, True, False, False]
    outside, inside = setup.devices
    assert (outside.name, len(outside.address), inside.name) == ("dpdk1", 2, "dpdk0")
    assert (str(setup.routes[0].to), setup.routes[0].device) == ("10.1.0.0/24", On(1))
    assert set(setup.homes.values()) == {On(1)} and len(setup.homes) == 2
    assert not found.skipped


SNAT = """#!/bin/sh
WAN=('192.0.2.2' '192.0.2.4')
GATEWAY=192.0.2.3
RANGE='10.1.0.0-10.1.255.254'
DEV=dpdk1
PROTOCOLS=('tcp' 'udp' 'icmp')
declare -a MATCHES
COUNT=$[${#WAN[@]}*${#PROTOCOLS[@]}-1]
i=0
for p in ${PROTOCOLS[@]}; do
    MATCHES[$i]="proto=$p,src-range=$RANGE,oif=$DEV"
    i=$[$i+1]
done
for d in ${WAN[@]}; do
    ./dpip addr add $d/24 dev $DEV sapool
done
./dpip addr add 10.1.0.2/24 dev dpdk0
./dpip route add default via $GATEWAY dev $DEV
for m in ${MATCHES[@]}; do
    ./ipvsadm -A -s rr -H $m
    for ip in ${WAN[@]}; do
        ./ipvsadm -a -H $m -r $ip:0 -w 100 -J
    done
done
"""


def test_snat_by_matches() -> None:
    """An array that is filled, a sum, and the port that the matches name."""
    setup, found = read("scripts", SNAT)
    assert [service.protocol for service in setup.services] == [6, 17, 1]
    assert all(service.match is not None and service.match.oif == "dpdk1" for service in setup.services)
    assert [device.name for device in setup.devices] == ["dpdk1", "dpdk0"] and len(setup.device.sapool_address) == 2
    assert [str(real) for real in setup.services[2].reals] == ["192.0.2.2:0", "192.0.2.4:0"]
    assert not found.skipped and not found.warnings


TRAFFIC_CONTROL = """#!/bin/sh -
VIP="192.0.2.252"
RSs="10.1.0.51 10.1.0.52"
LIPs="10.1.0.200 10.1.0.201"
LANIF=dpdk0

#              0:  root
#     oif=lan  /
# 10m rate limit
./dpip qsch add dev ${LANIF} handle 1:0 parent 0: tbf rate 10m burst 1500000 latency 20
./dpip cls add dev ${LANIF} qsch 0: match pattern "tcp,oif=${LANIF}" target 1:
./dpip addr add $VIP/24 dev ${LANIF}
./ipvsadm -A -t $VIP:80 -s rr

for rs in $RSs; do
\t./ipvsadm -a -t $VIP:80 -r $rs -b
done

for lip in $LIPs; do
\t./ipvsadm --add-laddr -z $lip -t $VIP:80 -F ${LANIF}
done
"""


def test_traffic_control_is_named() -> None:
    """What is not modelled is listed; a real server without a port has the service's."""
    setup, found = read("scripts", TRAFFIC_CONTROL)
    assert [str(real) for real in setup.services[0].reals] == ["10.1.0.51:80", "10.1.0.52:80"]
    assert [line.split()[2] for line in found.left_out] == ["qsch", "cls"]


HEAD = """! Configuration File for keepalived

global_defs {
   notification_email {
     someone@example.com
   }
   notification_email_from someone@example.com
   smtp_server 192.0.2.1
   smtp_connect_timeout 30
   router_id LVS_DEVEL
}

"""
CHECK = """        HTTP_GET {
            url {
              path /testurl/test.jsp
              digest 640205b7b0fc66c1ea91c463fac6334d
            }
            connect_timeout 3
            retry 3
            delay_before_retry 3
        }
"""
GROUP = """virtual_server_group VSG_1 {
\t192.0.2.1 8080
\t192.0.2.2 80
\t192.0.2.3-10 80
\tfwmark 1
\tfwmark 2
}

virtual_server group VSG_1 {
    delay_loop 6
    lb_algo rr
    lb_kind NAT
    persistence_timeout 50
    protocol TCP

    real_server 198.51.100.1 1358 {
        weight 1
%CHECK%    }
}
"""
FWMARK = """virtual_server fwmark 1 {
    delay_loop 6
    lb_algo rr
    lb_kind DR
    persistence_timeout 50
    persistence_granularity 255.255.255.0
    virtualhost www.example.com
    ha_suspend

    real_server 198.51.100.1 80 {
        weight 1
        inhibit_on_failure
%CHECK%    }
}
"""
SORRY = """virtual_server 192.0.2.1 1358 {
    delay_loop 6
    lvs_sched wrr
    lvs_method NAT
    protocol TCP
    sorry_server 198.51.100.200 1358
    quorum 3
    hysteresis 1
    quorum_up "/bin/echo up"
    alpha
    omega
    retry 3

    real_server 198.51.100.2 1358 {
        weight 1
%CHECK%        notify_down "/etc/keepalived/down.sh 'a b' !"
    }
    real_server 198.51.100.3 1358 {
        weight 2
        MISC_CHECK {
            misc_path "/usr/local/bin/check.sh 198.51.100.3"
            misc_timeout 5
            misc_dynamic
        }
    }
}
virtual_server 192.0.2.2 53 {
    lb_algo mh
    mh-port
    lb_kind TUN
    protocol UDP
    ops
    real_server 198.51.100.4 53 {
        DNS_CHECK {
            type SOA
            name "."
        }
    }
}
"""
SIX = """vrrp_instance VI_1 {
    interface eth0
    lvs_sync_daemon_interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        2001:db8::10/64 dev eth0
    }
}
virtual_server 2001:db8::10 80 {
    lb_algo sh
    lb_kind DR
    protocol TCP
    real_server 2001:db8::20 80 {
        weight 1
        TCP_CHECK {
            connect_timeout 3
        }
    }
}
virtual_server_group V6 {
    2001:db8::30-31 443
}
virtual_server group V6 {
    lb_algo sh
    lb_kind NAT
    protocol SCTP
    persistence_timeout
    persistence_granularity 64
    real_server 2001:db8::21 443 {
        uthreshold 100
        lthreshold 10
        SSL_GET {
        }
    }
}
"""


@pytest.mark.parametrize(
    "text, profile, services",
    [
        (GROUP, "ipvs", ["192.0.2.1:8080", "192.0.2.2:80", *(f"192.0.2.{n}:80" for n in range(3, 11)), "1", "2"]),
        (FWMARK, "ipvs", ["1"]),
        (SORRY, "dpvs", ["192.0.2.1:1358", "192.0.2.2:53"]),
        (SIX, "ipvs", ["[2001:db8::10]:80", "[2001:db8::30]:443", "[2001:db8::31]:443"]),
    ],
)
def test_samples_of_keepalived(text: str, profile: str, services: list[str]) -> None:
    """Groups, marks, sorry servers, checks, IPv6: every service with its real servers; marks alone are warned of."""
    setup, found = read("keepalived", HEAD + text.replace("%CHECK%", CHECK))
    assert setup.profile == profile
    assert [str(service.vip or service.fwmark) for service in setup.services] == services
    assert all(service.reals for service in setup.services)
    assert all("nothing gives mark" in warning for warning in found.warnings)


def test_what_the_samples_say_of_a_service() -> None:
    """Methods, schedulers, flags, thresholds, persistence as they stand there."""
    web, dns = read("keepalived", HEAD + SORRY.replace("%CHECK%", CHECK))[0].services
    assert (web.mode, web.scheduler, [real.weight for real in web.reals]) == ("nat", "wrr", [1, 2])
    assert (dns.mode, dns.scheduler, dns.one_packet, dns.mh_port) == ("tunnel", "mh", True, True)
    marked = read("keepalived", HEAD + FWMARK.replace("%CHECK%", CHECK))[0].services[0]
    assert marked.persistent is not None and (marked.persistent.timeout, marked.persistent.netmask) == (50, 24)
    _, sctp, _ = read("keepalived", HEAD + SIX)[0].services
    assert sctp.persistent is not None and (sctp.persistent.timeout, sctp.persistent.netmask) == (360, 64)
    assert (sctp.protocol, sctp.reals[0].max_conn, sctp.reals[0].min_conn) == (132, 100, 10)
