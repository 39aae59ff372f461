"""What a user wrote -> `model.Setup`: the only room that judges a configuration.

values      words -> model values: addresses, ranges, MACs
kinds       kinds of values, how they are judged
schema      every key as data: kind, default, sentence, profile
keypath     `service.web.real.10.0.0.1:80.weight=0`: --set and events
places      where keys stand in a file: line and column
load        TOML -> Setup
imports     files of a running balancer -> TOML: dpvs_conf, ipvsadm and dpip, kernel, keepalived/, shell/, iptables
whose       whose balancer they are of, and what a file is
export      Setup -> those files; export_kernel for profile ipvs
draft       a capture -> TOML
"""
