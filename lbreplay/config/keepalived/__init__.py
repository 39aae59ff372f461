"""keepalived.conf, of the kernel's keepalived 2.x and of DPVS's fork, -> services.

text        lines as keepalived reads them (include, @conditions, $macros, ~SEQ and ~LST, quotes, comments) -> blocks
servers     virtual_server blocks and the groups they name -> ipvsadm commands
"""

from lbreplay.config.keepalived.servers import read
from lbreplay.config.keepalived.text import Block, parse

__all__ = ["Block", "parse", "read"]
