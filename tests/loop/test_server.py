"""Who is counted in the kernel: connections that refer to a real server, packets while it is there (L 6.5, L 16)."""

from __future__ import annotations

from kernel import A, Kernel, real, service


def test_thresholds_are_asked_about_where_there_are_some() -> None:
    """The connection that reaches the upper threshold overloads it; one below the lower ends that."""
    dest = Kernel(service(real(A, max_conn=2, min_conn=1))).dest(A)
    for _ in range(2):
        dest.enter()
    assert (dest.overload, dest.inactconns, dest.refs) == (True, 2, 2)
    dest.leave(False)
    dest.leave(False)
    assert (dest.overload, dest.inactconns, dest.refs) == (False, 0, 0)


def test_packets_count_twice_until_it_is_deleted() -> None:
    """For the real server and for its service; what comes later counts nowhere."""
    dest = Kernel(service(A)).dest(A)
    dest.passed(0, 100)
    dest.passed(1, 40)
    dest.available = False
    dest.passed(0, 100)
    told = (1, 100, 1, 40)
    for counts in (dest, dest.counts):
        assert (counts.inpkts, counts.inbytes, counts.outpkts, counts.outbytes) == told
