"""lbreplay: replay a capture through a simulated layer 4 load balancer, packet for packet like DPVS.

The map, top down; arrows of import point down only:

    cli/        one thin file a command: load, call, show; the only place of click
    report/     a Result as tables (rich), JSON, CSV
    lab/        questions asked of replays: golden cases, differences, explanations, checks, capacity, sweeps
    config/     TOML -> model.Setup, drafts from captures, imports; the only place that judges what a user wrote
    pytest_plugin.py   golden cases as items of pytest
    journey.py  the journey of a burst: read, parse, steer, balance, rewrite, write, count
    also.py annotate.py trace.py   what is written besides: received and dropped frames, comments, JSON
    ipvs/       the kernel's IPVS in place of DPVS, profile "ipvs"
    stack/      what stands around the balancer: link layer, IP input, ICMP, routes, neighbours
    dpvs/       DPVS's balancer: services, connections, local ports, forwarding modes
    lvs/        what both balancers have from LVS: schedulers, state tables, hashes
    nic/        which worker receives a frame: flow director, RSS
    loop/       what is done to every frame, compiled where a C compiler was found
    wire/       bytes <-> columns: captures, headers, checksums
    stats.py    Counters and Result: what the columns say, counted once
    edge/       files, signals and text of others: the one writer, what a sudden end undoes
    model.py burst.py verdict.py errors.py phrases.py   the floor everything stands on

A capture is read in bursts; a burst is a table with a row a frame and a numpy column a fact. Stages fill columns. Each
frame ends with exactly one verdict.
"""

__version__ = "0.1.0"
